"""A web server on this machine that answers as the Heliophysics Event Knowledgebase does."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


def flare(start: str, name: str, x: float = 0.0, y: float = 0.0, region: int | None = None, who: str = "SWPC") -> dict:
    """A row of an answer, with the columns that we read and some that sunpy parses."""
    return {
        "event_type": "FL",
        "event_starttime": start,
        "event_peaktime": start[:17] + "30",
        "event_endtime": start[:17] + "59",
        "fl_goescls": name,
        "hpc_x": x,
        "hpc_y": y,
        "ar_noaanum": region,
        "frm_name": who,
        "event_coord1": 30.0,
        "event_coord2": 10.0,
        "event_coord3": None,
        "event_coordsys": "UTC-HGS-TOPO",
        "event_coordunit": "degrees",
    }


def region(number: int, x: float, y: float) -> dict:
    """A row of an answer about active regions."""
    return flare("2014-03-29T00:00:00", "", x, y, number, "NOAA SWPC Observer") | {"event_type": "AR"}


@contextmanager
def hek(rows: Sequence[dict]) -> Iterator[tuple[str, list[dict]]]:
    """Its address, and the queries as they come; an answer holds those rows of the kind that lie in the time."""
    asked: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            asked.append(query)
            kinds = query["event_type"].upper().split(",")
            found = [
                row for row in rows if row["event_type"] in kinds and row["event_starttime"] < query["event_endtime"]
            ]
            content = json.dumps({"result": found, "overmax": False}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hek/her?", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
