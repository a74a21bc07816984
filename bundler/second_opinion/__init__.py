"""Another program that checks volumes, put beside them: `verify.py`, which is never imported."""
