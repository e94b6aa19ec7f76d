"""The formats of sweep definitions that can be imported. Each file is one; none reads a file."""
