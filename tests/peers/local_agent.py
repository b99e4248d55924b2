"""How a program of this workstation talks to the CPS agent: by its port and token, in plain HTTP on the loopback.

Copy this file; it needs nothing but Python. The agent writes both files into its data folder each time it starts, for
its own user alone. Read them again after a refusal: the agent may have been started anew.
"""

import base64
import http.client
import json
import os
import sys
from pathlib import Path
from urllib.parse import unquote

PATIENCE_S = 300  # the person has to read the question, and to type a code


class RefusedError(Exception):
    """The agent, or the service behind it, refuses; the message says why and what to do."""


def find_folder():
    """The agent's data folder where nobody has set another."""
    if sys.platform == "win32":
        return Path(os.environ["LOCALAPPDATA"], "cps-agent")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "cps-agent"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share", "cps-agent")


class Agent:
    """The agent of one data folder."""

    def __init__(self, folder=None):
        folder = Path(folder or find_folder())
        try:
            self.port = int((folder / "port").read_text())
            self.token = (folder / "token").read_text().strip()
        except OSError as error:
            raise RefusedError(f"no agent runs with the data folder {folder}") from error

    def call(self, method, path, body=None, headers=None):
        """One exchange: status, headers and body of the answer, whatever it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {self.token}", **(headers or {})})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        except OSError as error:
            raise RefusedError(f"the agent does not answer on port {self.port}: {error}") from error
        finally:
            connection.close()

    def ask(self, method, path, members=None):
        """One call of the agent's own, in JSON. Raises RefusedError with the agent's own sentence."""
        body = None if members is None else json.dumps(members).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        status, answered, content = self.call(method, path, body, headers)
        refuse_problem(status, answered, content)
        return json.loads(content) if content else {}

    def post_soap(self, service, path, action, envelope, assertion=None, card=None):
        """Send a SOAP 1.2 message to a health service through the agent. Gives the answer's bytes.

        Raises RefusedError for refusals of the agent's own, and for faults that it explains; others are in the answer.

        `assertion`: the members of POST /v1/assertions/vihf or …/insi, for the agent to sign and put into the header on
        the way. `card`: number of the card or software certificate whose key authenticates in TLS.
        """
        headers = {"Content-Type": f'application/soap+xml; charset=utf-8; action="{action}"'}
        if assertion is not None:
            headers["CPS-Agent-Assertion"] = base64.b64encode(json.dumps(assertion).encode()).decode()
        if card is not None:
            headers["CPS-Agent-Card"] = card
        status, answered, content = self.call("POST", f"/v1/gateway/{service}/{path}", envelope.encode(), headers)
        refuse_problem(status, answered, content)
        if explanation := answered["CPS-Agent-Explanation"]:
            raise RefusedError(f"{unquote(explanation)} [{unquote(answered['CPS-Agent-Fault'])}]")
        return content


def refuse_problem(status, headers, content):
    """Raise RefusedError for a refusal of the agent's own (RFC 9457); what services answer is an attachment."""
    own = headers["Content-Disposition"] is None
    if own and status >= 400 and headers.get_content_type() == "application/problem+json":
        problem = json.loads(content)
        raise RefusedError(f"{problem['detail']} [{problem['code']}]")


def add_folder(parser):
    """The flag that each example has."""
    parser.add_argument("--data-dir", metavar="DIR", help="data folder of the agent (default: the usual one)")


def run(work):
    """Run an example; the agent's refusals go to standard error, without a traceback."""
    try:
        work()
    except RefusedError as error:
        sys.exit(f"refused: {error}")
