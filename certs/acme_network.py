"""The ``acme`` library's network, with the gaps closed that stop unattended clients.

What acme 5.9 lacks, and this class adds:

- a rejected nonce is retried ten times, with the fresh nonce that came with the rejection (RFC
  8555 § 6.5: the library throws that away and gives up after one retry, so that 5 in 200
  issuances failed against Pebble's default of 5 % rejections);
- ``Retry-After`` of any error is kept (RFC 8555 § 6.6);
- answers are read up to a cap, and nothing but https is spoken;
- what may be repeated without harm is repeated after a broken connection.

One object per thread: its nonces and its connection are not locked.
"""

import random
import time
from collections import deque
from typing import Any

import josepy as jose
import requests
from acme import client
from acme.messages import RegistrationResource

from certs import acme_wire, problems
from certs.clock import Clock
from certs.errors import BadAnswer, CertificateError, OperatorError, Unavailable

NONCE_TRIES = 10
TRANSPORT_TRIES = 3
MAX_ANSWER = 1_000_000
# Seconds. Three tries for a nonce and one request stay within a lease of certs.manager.
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 20.0
BAD_NONCE = problems.URN + "badNonce"


class Empty(jose.JSONDeSerializable):
    """The payload of POST-as-GET (RFC 8555 § 6.3): nothing at all."""

    def __bool__(self) -> bool:
        return False

    def to_partial_json(self) -> dict[str, Any]:
        """Never called: an empty payload is no JSON."""
        return {}

    @classmethod
    def from_json(cls, jobj: Any) -> "Empty":
        """Part of josepy's interface."""
        return cls()


class Payload(Empty):
    """A JSON object as payload."""

    def __init__(self, **fields: Any) -> None:
        self._fields = {key: value for key, value in fields.items() if value is not None}

    def __bool__(self) -> bool:
        return True

    def to_partial_json(self) -> dict[str, Any]:
        """The object; fields that were None are left out."""
        return self._fields


class Network(client.ClientNetwork):
    """Signs and sends requests to one authority, for one thread at a time.

    ``ca_file`` are the roots to trust instead of the machine's. Proxies and roots named in the
    environment are not looked at: this is a server, and its settings are its own.
    """

    def __init__(self, user_agent: str, clock: Clock, ca_file: str | None = None) -> None:
        super().__init__(user_agent=user_agent, timeout=0)
        self.session.trust_env = False
        self.session.verify = ca_file or True
        # Without it no redirect, and no address in an answer, leads to anything but https.
        del self.session.adapters["http://"]
        self._clock = clock
        # Octets, which the library's annotations call str.
        self._fresh: deque[Any] = deque(maxlen=8)

    def signer(self, key: jose.JWK, alg: jose.JWASignature, account_url: str | None) -> None:
        """Sign with this key from now on; by account address, or with the key itself for None."""
        self.key, self.alg = key, alg
        self.account = RegistrationResource(uri=account_url, body=None) if account_url else None

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        headers = {"User-Agent": self.user_agent, **kwargs.pop("headers", {})}
        try:
            response = self.session.request(
                method,
                url,
                headers=headers,
                data=kwargs.get("data"),
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=method == "GET",
                stream=True,
            )
            with response:
                body = _capped(response)
        except (requests.RequestException, OSError, ValueError) as error:
            raise _transport_error(f"{method} {url[:200]}", error) from error
        response._content = body  # where requests keeps what was read
        response.encoding = "utf-8"
        # Errors carry the next nonce too; the library looks only at successes.
        if nonce := response.headers.get(self.REPLAY_NONCE_HEADER):
            self._remember(nonce)
        return response

    def _remember(self, nonce: str) -> None:
        try:
            self._fresh.append(jose.decode_b64jose(nonce))
        except jose.DeserializationError:
            return

    def checked(self, response: requests.Response) -> requests.Response:
        """The response, unless it is an error: then the right one is raised."""
        if response.status_code < 300:
            return response
        if response.status_code < 400:
            raise BadAnswer(f"{response.url}: an unexpected redirect ({response.status_code})")
        wait = problems.retry_after(response.headers.get("Retry-After"), self._clock.now())
        problem = acme_wire.json_object(response)
        if problem is None or "type" not in problem:
            raise problems.from_status(response.status_code, wait, response.text)
        raise problems.from_problem(problem, status=response.status_code, retry_after=wait)

    def fetch(self, url: str) -> requests.Response:
        """An unsigned GET."""
        return self._patiently(lambda: self.checked(self._send_request("GET", url)))

    def signed(self, url: str, payload: Empty, new_nonce: str) -> requests.Response:
        """A signed POST; an :class:`Empty` payload makes it a POST-as-GET, which is repeated."""

        def once() -> requests.Response:
            return self._until_nonce_fits(url, payload, new_nonce)

        return once() if payload else self._patiently(once)

    def _until_nonce_fits(self, url: str, payload: Empty, new_nonce: str) -> requests.Response:
        for attempt in range(NONCE_TRIES):
            try:
                data = self._wrap_in_jws(payload, self._nonce(new_nonce), url)
                headers = {"Content-Type": self.JOSE_CONTENT_TYPE}
                return self.checked(self._send_request("POST", url, data=data, headers=headers))
            except Unavailable as error:
                if error.problem != BAD_NONCE or attempt == NONCE_TRIES - 1:
                    raise
        raise AssertionError("the loop returns or raises")

    def _nonce(self, new_nonce: str) -> Any:
        """The newest nonce: older ones may have expired, which costs a request to find out."""
        if not self._fresh:
            self._patiently(lambda: self.checked(self._send_request("HEAD", new_nonce)))
        if not self._fresh:
            raise BadAnswer("the authority gives no nonces")
        return self._fresh.pop()

    def _patiently(self, send: Any) -> requests.Response:
        """Repeat what can be repeated after a broken connection; errors of the authority stand."""
        for attempt in range(TRANSPORT_TRIES):
            try:
                response: requests.Response = send()
                return response
            except Unavailable as error:
                if error.problem or error.retry_after or attempt == TRANSPORT_TRIES - 1:
                    raise
                time.sleep(random.uniform(0.05, 0.2) * 2**attempt)  # noqa: S311 - jitter, not a secret
        raise AssertionError("the loop returns or raises")


def _capped(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(65_536):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise BadAnswer(f"{response.url}: more than {MAX_ANSWER} bytes")
    return bytes(body)


def _transport_error(what: str, error: Exception) -> CertificateError:
    """The error for a request that got no answer, by who can mend that."""
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.MissingSchema):
        return BadAnswer(f"{what}: an address that is not https")
    untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error) or "NO_CERTIFICATE" in str(error)
    if isinstance(error, requests.exceptions.SSLError) and untrusted:
        return OperatorError(
            f"{what}: the authority's own certificate is not trusted here: check the roots "
            f"(ca_file), the directory's address and this machine's clock: {error}"
        )
    if type(error) is OSError and "CA certificate bundle" in str(error):
        return OperatorError(f"the roots to trust (ca_file) cannot be read: {error}")
    return Unavailable(f"{what}: {error}")
