"""The pages for people, written at publish: any web server shows them, also a browser from disk.

What they show was written by strangers. `markup` escapes all of it, `readme` renders long texts in
another process, and the pages' own policy lets no script run and nothing be loaded but their own.
"""
