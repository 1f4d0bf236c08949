"""From a file as people keep it to columns of text: encodings, dialects, spreadsheets, titles.

`table.open_table` is the way in. What the text means is told by `importer.values`.
"""
