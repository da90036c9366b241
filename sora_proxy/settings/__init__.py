"""What did the operator choose? The options, the kinds of their values, how they are read, and who is let in.

An option is a field in `options.py`. `app.py` hands it, or all of them, to the object that
needs it; a route reads it at each request. Tests compare it with the documents and `config/sora_proxy.env.example`.
"""
