"""sora_proxy: slow, job-based image back ends behind OpenAI's API.

The way of an order, and where to read on:

    client ── HTTP ──► api/chat/routes.py     makes a GenerationSpec, then only follows the generation's log; so do
                           │                  api/images/ and api/responses/, all by api/placing.py, which knows repeats
                           │ start
                       orders/supervisor.py   owns one coroutine per generation; resumes the unfinished ones at a start
                           │ run
                       orders/lifecycle.py    queued → submitting → running → saving → completed, each on disk first
             ┌─────────────┼──────────────────┬────────────────────┐
        scheduling/    orders/store.py    orders/watcher.py    media/
          who gets      what is on          one poll per         images in and
          a key, when   disk, when          key and interval     out, on disk
                           │                  │
                       upstream/              a back end: submit and fetch for the life cycle, poll for the watcher
                           │ run
                       blocking.py            the door to threads: cloudscraper, SQLite, Pillow, files

`spec.py` and `generation.py` hold the types that all of this is about: what was ordered, and the table of states.
`events.py` holds what clients learn meanwhile, `event_log.py` the log of that. A stream, a waiting request and a poll
all read that log, so a client that leaves changes nothing, and what a client sees was committed before. `errors.py`
says whose fault everything is. `app.py` makes every object that others share. The doors are `background.py` (loops and
tasks), `blocking.py` (threads), `database.py` with `database_file.py` (SQLite) and `log.py`. Each folder answers one
question, which its `__init__.py` asks:

    settings/         What did the operator choose?         operators/  What do operators see and change?
    orders/           What becomes of an order?             webhooks/   Who hears that an order has ended?
    scheduling/       Who gets which key, when?             media/      Where do images come from, where do they go?
    backend_keeping/  Which back ends are there?            foreign/    How do we deal with strangers?
    key_keeping/      Where do upstream keys come from?     upstream/   Whom do we ask?
    api/              How does the world reach us?          simulator/  Who answers if nobody else does?

`tests/unit/test_imports.py` holds the table of who may import whom.
"""

__version__ = "0.1.0"
