"""sora_proxy: slow, job-based image back ends behind OpenAI's API.

The path of an order through the modules:

    client ── HTTP ──► api/chat/routes.py     makes a GenerationSpec, then only follows the generation's log, as do
                           │                  api/images/ and api/responses/; api/placing.py recognizes repeated orders
                           │ start
                       orders/supervisor.py   runs one coroutine per generation; resumes the unfinished ones at startup
                           │ run
                       orders/lifecycle.py    queued → submitting → running → saving → completed;
                           │                  each state is committed before it takes effect
             ┌─────────────┼──────────────────┬────────────────────┐
        scheduling/    orders/store.py    orders/watcher.py    media/
          which order   what is stored,     one poll per         images as
          gets a key    and when            key and interval     files
                           │                  │
                       upstream/              a back end: submit and fetch for the life cycle, poll for the watcher
                           │ run
                       blocking.py            all threads: cloudscraper, SQLite, Pillow, files

`spec.py` and `generation.py` define the central types: the order, and the table of its states. `event_log.py` defines
the events that clients can receive, and the log, to which only committed events are added. Streams, waiting requests
and status requests all read that log, and take no part in the order's course. Therefore clients see only what has been
committed, and by default an order continues when its client disconnects. `errors.py` classifies all errors by their
cause. `app.py` constructs every shared object. `background.py` starts loops and tasks, `blocking.py` starts threads,
and `log.py` writes log lines.
Each folder answers one question, and the docstring of its `__init__.py` begins with this question:

    settings/         What did the operator choose?         operators/  What do operators see and change?
    orders/           What happens to an order?             webhooks/   How do clients learn that an order has ended?
    scheduling/       Which order gets which key, and when? media/      How are images read, converted and stored?
    backend_keeping/  Which back ends are there?            foreign/    How is data from other servers handled safely?
    key_keeping/      Where do upstream keys come from?     upstream/   Which services make the images?
    api/              How do clients reach the server?      simulator/  Which server answers without a real back end?
    database/         How is everything stored durably?

`tests/unit/test_imports.py` contains the table of imports that are allowed between folders.
"""

__version__ = "0.1.0"
