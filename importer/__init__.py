"""Brings customers and loans from CSV files into the database, all or nothing: `python -m importer --help`.

The files are streamed, row by row checked (rows), into temporary tables (staging), compared there with what the
database has and moved over in one transaction (merging). What was refused goes into a file (rejects), and whose rows
changed loses the cached score (scores) at once.
"""
