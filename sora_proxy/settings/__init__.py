"""What did the operator choose? The options, the kinds of their values, how they are read, and who is let in.

An option is a field in `options.py`. An object that needs it gets it in `app.py`; a route reads it at each request.
Tests compare it with the documents and the example file.
"""
