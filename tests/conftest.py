"""What all tests share: properties have no deadline, since machines that run tests are busy."""

from hypothesis import settings

settings.register_profile("cliffsweep", deadline=None)
settings.load_profile("cliffsweep")
