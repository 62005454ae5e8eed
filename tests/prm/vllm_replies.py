"""A server on the loopback that answers as vLLM does, with a checkpoint's own scores: to test its clients."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dreamprm_code.prm import PRM


@contextmanager
def vllm_server(prm: PRM, tokenizer: Any, every_token: bool = False, off_by: float = 0.0) -> Iterator[str]:
    """Its address. ``tokenizer`` makes ids of messages, as the folder's does in vLLM; ``every_token``: without STEP pooling;
    ``off_by`` is added to every score.
    """
    token_id = prm.encoder.step_token_id

    def scores_of(ids: list[int]) -> list[list[float]]:
        ends = [place for place, token in enumerate(ids) if token == token_id or (token_id is None and place == len(ids) - 1)]
        found = prm.score_sequences([tuple(ids[: end + 1]) for end in ends])
        at = dict(zip(ends, found, strict=True))
        places = range(len(ids)) if every_token or token_id is None else ends
        return [[at.get(place, 0.5) + off_by] for place in places]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply({"object": "list", "data": [{"id": "tiny", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert (self.path, body["model"], body["task"]) == ("/pooling", "tiny", "token_classify")
            ids = body.get("input") or tokenizer.apply_chat_template(body["messages"], return_dict=False)
            self.reply({"object": "list", "data": [{"index": 0, "object": "pooling", "data": scores_of(ids)}]})

        def reply(self, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
