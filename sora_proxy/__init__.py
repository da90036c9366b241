"""sora_proxy: slow, job-based image back ends behind OpenAI's API.

The way of an order, and where to read on:

    client ── HTTP ──► api/chat.py      makes a GenerationSpec, then only follows the generation's log; so do
                           │            images.py and responses.py, all by orders.py, which knows repeats
                           │ start
                       supervisor.py    owns one coroutine per generation; takes up the unfinished ones at a start
                           │ run
                       lifecycle.py     queued → submitting → running → saving → completed, each step on disk first
             ┌─────────────┼──────────────┬──────────────┐
        key_pool.py     store.py      watcher.py      media.py
          who gets      what is on    one poll per    pictures in and
          a key, when   disk, when    key and         out, on disk
                                      interval
             └─────────────┴──────┬───────┴──────────────┘
                              upstream/  a back end: submit, poll, fetch (sora.py); the built-in simulator
                                  │ run
                              blocking.py  the one door to threads: cloudscraper, SQLite, Pillow, files

`generation.py` holds the types that all of this is about: the spec, the table of states, the events and their log. A
stream, a waiting request and a poll are all "somebody reads that log", so a client that leaves changes nothing, and
what a client sees was committed before. `idempotency.py` knows a request that came before, `readers.py` who still
waits, `retention.py` what is forgotten. `key_keeping/` is where the upstream keys come from and are kept, `api/admin/`
how operators change them. `errors.py` says whose fault everything is; `app.py` makes all objects and is the only place
that does; `settings.py` is every option.
"""

__version__ = "0.1.0"
