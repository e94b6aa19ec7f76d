"""The parts of one training: order of samples, updates, running sums. They never know a task."""
