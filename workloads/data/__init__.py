"""Small real data that ships, each with its licence and the script that rebuilds it.

Must never know the tasks that read it.
"""
