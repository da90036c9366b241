"""What did the operator choose? The options, the types of their values, how they are read, and the access keys.

An option is a field of `Settings` in `options.py`. `app.py` passes the options to the objects that need them; routes
read the current options at each request. Tests compare the options with the documents and
`config/sora_proxy.env.example`.
"""
