"""Log the professional in with Pro Santé Connect, and use the access token.

The agent opens the system's browser, or has the professional confirm on the phone (e-CPS); it checks what comes back, and
keeps the refresh token to itself. This program gets access tokens for its own client alone, each time a fresh one.
"""

import argparse
import json

from local_agent import Agent, RefusedError, add_folder, refuse_problem, run


def log_in(agent, arguments):
    """A session: the one that this program has already, or a new one, for which the person is asked."""
    for session in agent.ask("GET", "/v1/psc/sessions")["sessions"]:
        if session["own"] and session["client"] == arguments.client:
            return session
    members = {"format": "psc", "client": arguments.client, "way": arguments.way}
    return agent.ask("POST", "/v1/authentications", members)["session"]


def read_userinfo(agent, arguments, token):
    """The provider's claims, asked through the gateway, which opens TLS with the structure's certificate."""
    headers = {"CPS-Agent-Authorization": f"Bearer {token}"}
    if arguments.certificate is not None:
        headers["CPS-Agent-Card"] = arguments.certificate
    status, answered, content = agent.call("GET", f"/v1/gateway/{arguments.service}/{arguments.path}", None, headers)
    refuse_problem(status, answered, content)
    if status != 200:
        raise RefusedError(f"the provider answers {status}")
    return json.loads(content)


def work(arguments):
    """Log in, print who it is, and what the provider says of them; log out if asked to."""
    agent = Agent(arguments.data_dir)
    session = log_in(agent, arguments)
    person = session["person"]
    print("session:", session["id"])
    print("person:", person["nationalId"])
    print("assurance:", session["acr"])
    token = agent.ask("POST", f"/v1/psc/sessions/{session['id']}/token", {})
    print("token until:", token["expiresAt"])
    if arguments.service is not None:
        claims = read_userinfo(agent, arguments, token["accessToken"])
        print("userinfo:", claims.get("SubjectNameID"))
    if arguments.log_out:
        agent.ask("DELETE", f"/v1/psc/sessions/{session['id']}")
        print("logged out")


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument("--client", required=True, help="name of your software in the agent's file of services")
    parser.add_argument("--way", choices=("browser", "ciba"), default="browser", help="(%(default)s)")
    parser.add_argument("--service", help="ask for the claims through this service, such as psc-sandbox")
    parser.add_argument("--path", default="protocol/openid-connect/userinfo", help="(%(default)s)")
    parser.add_argument("--certificate", metavar="S…", help="software certificate that opens TLS")
    parser.add_argument("--log-out", action="store_true", help="end the session afterwards")
    arguments = parser.parse_args()
    run(lambda: work(arguments))


if __name__ == "__main__":
    main()
