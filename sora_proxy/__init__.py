"""sora_proxy: slow, job-based image back ends behind OpenAI's API.

The path of an order through the modules:

    client ── HTTP ──► api/chat/routes.py     makes a GenerationSpec, then only follows the generation's log; so do
                           │                  api/images/ and api/responses/; api/placing.py recognizes repeated orders
                           │ start
                       orders/supervisor.py   runs one coroutine per generation; resumes the unfinished ones at startup
                           │ run
                       orders/lifecycle.py    queued → submitting → running → saving → completed, each committed first
             ┌─────────────┼──────────────────┬────────────────────┐
        scheduling/    orders/store.py    orders/watcher.py    media/
          which order   what is on          one poll per         images in and
          gets a key    disk, when          key and interval     out, on disk
                           │                  │
                       upstream/              a back end: submit and fetch for the life cycle, poll for the watcher
                           │ run
                       blocking.py            all threads: cloudscraper, SQLite, Pillow, files

`spec.py` and `generation.py` hold the central types: the order, and the table of its states. `event_log.py` holds the
events that clients can learn, and their log. Streams, waiting requests and status requests all read that log, so a
client that disconnects changes nothing, and everything that a client sees was committed before. `errors.py` sorts all
errors by their cause. `app.py` makes every shared object. Loops and tasks are started in `background.py`, threads in
`blocking.py`; `database.py`, `database_file.py` and `schema.py` own SQLite, `log.py` the log lines. Each folder answers
one question, which its `__init__.py` asks:

    settings/         What did the operator choose?         operators/  What do operators see and change?
    orders/           What happens to an order?             webhooks/   How do clients learn that an order has ended?
    scheduling/       Which order gets which key, and when? media/      How are images read, converted and stored?
    backend_keeping/  Which back ends are there?            foreign/    How is data from other servers handled safely?
    key_keeping/      Where do upstream keys come from?     upstream/   Which services make the images?
    api/              How do clients reach the server?      simulator/  Which server answers without a real back end?

`tests/unit/test_imports.py` holds the table of the imports that are allowed between folders.
"""

__version__ = "0.1.0"
