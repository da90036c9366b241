"""What did the operator choose? The options, the kinds of their values, how they are read, and the access keys.

An option is a field of `Settings` in `options.py`. `app.py` passes it, or all of them, to the objects that need it; a
route reads it at each request. Tests compare the options with the documents and `config/sora_proxy.env.example`.
"""
