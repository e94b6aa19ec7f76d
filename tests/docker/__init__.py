"""Holds what lies in docker/ to the code: no container engine is needed, none is used."""
