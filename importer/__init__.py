"""Brings customers and loans from a lender's own files into the database, all or nothing: `python -m importer --help`.

A file is found out (`reading`: encoding, dialect, titles; `forms`: how its numbers and dates are written), then read in
batches of columns (`rows`, `values`) into temporary tables (`staging`), compared there with what the database has and
moved over in one transaction (`merging` and what it calls), and summed up (`report`). What cannot be taken goes into
files that can be mended (`rejects`), and whose rows changed loses the cached score (`scores`) at once.
"""
