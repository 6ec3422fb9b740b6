"""The verbs of RFC 8555 and RFC 9773, one request or two each, none of them waiting for a result.

How to think about it: an order is a state machine at the authority; these functions read and push
it, and :mod:`certs.issuance` decides when. Calls block; they run in threads (see
:mod:`certs.authority`), one client per thread. Every error is one of :mod:`certs.errors`.
"""

from dataclasses import dataclass
from typing import Any

import josepy as jose
import requests
from acme import jws, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs import acme_wire, problems, renewal_info
from certs.acme_network import Empty, Network, Payload
from certs.clock import Clock
from certs.errors import AccountMissing, BadAnswer, OperatorError, OrderGone
from certs.keys import account_key, load_key
from certs.renewal_info import RenewalInfo

ORDERS_READ = 200
ALTERNATES = 4
DIRECTORY_LIFE = 86_400.0  # seconds; profiles and terms change while a server runs for months


@dataclass(frozen=True, slots=True)
class ExternalAccount:
    """Binding to an account outside (RFC 8555 § 7.3.4): key id and base64url MAC key."""

    kid: str
    hmac_key: str
    algorithm: str = "HS256"


class AcmeClient:
    """One authority, for one thread at a time."""

    def __init__(
        self, url: str, clock: Clock, *, user_agent: str, ca_file: str | None = None
    ) -> None:
        self._url = url
        self._clock = clock
        self._network = Network(user_agent, clock, ca_file)
        self._directory: tuple[acme_wire.Directory, float] | None = None
        self._account: tuple[str, str] | None = None

    def close(self) -> None:
        """Close the connection."""
        self._network.session.close()

    def directory(self) -> acme_wire.Directory:
        """The authority's directory, fetched once a day."""
        if not self._url.startswith("https://"):
            raise OperatorError(f"the directory's address is not https: {self._url[:200]!r}")
        now = self._clock.monotonic()
        if self._directory is None or now - self._directory[1] > DIRECTORY_LIFE:
            answer = self._network.fetch(self._url)
            self._directory = acme_wire.directory(self._url, acme_wire.body(answer)), now
        return self._directory[0]

    def sign_as(self, key_pem: str, account_url: str) -> None:
        """The account that the following calls are made for."""
        if self._account != (key_pem, account_url):
            key, alg = account_key(key_pem)
            self._network.signer(key, alg, account_url)
            self._account = (key_pem, account_url)

    def _sign_with(self, key_pem: str) -> jose.JWK:
        """Sign the next request with a key itself: the requests of § 6.2 that carry ``jwk``."""
        key, alg = account_key(key_pem)
        self._network.signer(key, alg, None)
        self._account = None
        return key

    def _post(self, url: str, payload: Empty) -> requests.Response:
        return self._network.signed(url, payload, self.directory().new_nonce)

    def _wait(self, response: requests.Response) -> float | None:
        return problems.retry_after(response.headers.get("Retry-After"), self._clock.now())

    # Accounts (§ 7.3)

    def register(
        self,
        key_pem: str,
        *,
        contact: tuple[str, ...] = (),
        agree_terms: bool,
        external: ExternalAccount | None = None,
    ) -> str:
        """Make an account, or find the one that this key has; its address.

        OperatorError where terms are not agreed to, or an external account is wanted.
        """
        directory = self.directory()
        if directory.terms and not agree_terms:
            raise OperatorError(f"agree to the authority's terms first: {directory.terms}")
        if directory.external_account_required and external is None:
            raise OperatorError(
                "the authority wants an external account: give its id and key",
                problem=problems.URN + "externalAccountRequired",
            )
        key = self._sign_with(key_pem)
        binding: dict[str, Any] | None = None
        if external is not None:
            binding = _binding(key, external, directory.new_account)
        payload = Payload(
            contact=list(contact) or None,
            termsOfServiceAgreed=True if directory.terms else None,
            externalAccountBinding=binding,
        )
        return self._location(self._post(directory.new_account, payload))

    def find_account(self, key_pem: str) -> str | None:
        """The address of this key's account, or None if the authority has none (§ 7.3.1)."""
        self._sign_with(key_pem)
        try:
            answer = self._post(self.directory().new_account, Payload(onlyReturnExisting=True))
        except AccountMissing:
            return None
        return self._location(answer)

    @staticmethod
    def _location(response: requests.Response) -> str:
        location = response.headers.get("Location")
        if not location:
            raise BadAnswer(f"{response.url}: the answer lacks the address of what was made")
        return location

    def account(self, account_url: str) -> acme_wire.AccountState:
        """Our account as the authority has it."""
        return acme_wire.account(acme_wire.body(self._post(account_url, Empty())))

    def change_contact(self, account_url: str, contact: tuple[str, ...]) -> acme_wire.AccountState:
        """Replace the addresses at which the authority reaches us; none removes them (§ 7.3.2)."""
        payload = Payload(contact=list(contact))
        return acme_wire.account(acme_wire.body(self._post(account_url, payload)))

    def change_key(self, key_pem: str, account_url: str, new_key_pem: str) -> None:
        """Roll the account over to a new key (§ 7.3.5): signed by it, within the old one's."""
        directory = self.directory()
        old, _ = account_key(key_pem)
        new, alg = account_key(new_key_pem)
        payload = Payload(account=account_url, oldKey=old.public_key().to_partial_json())
        signed = jws.JWS.sign(
            payload.json_dumps().encode(), key=new, alg=alg, nonce=None, url=directory.key_change
        )
        self.sign_as(key_pem, account_url)
        self._post(directory.key_change, Payload(**_plain(signed)))
        self._account = None

    # Orders (§ 7.4)

    def new_order(
        self, host: str, *, profile: str | None = None, replaces: str | None = None
    ) -> acme_wire.Order:
        """Ask for a certificate; ``replaces`` is the predecessor's renewal id (RFC 9773 § 5)."""
        offered = self.directory()
        payload = Payload(
            identifiers=[{"type": "dns", "value": host}],
            profile=profile if offered.profiles else None,
            replaces=replaces if offered.renewal_info else None,
        )
        if profile and offered.profiles and profile not in offered.profiles:
            raise OperatorError(f"the authority has the profiles {offered.profiles}, not {profile}")
        answer = self._post(offered.new_order, payload)
        return self._order(self._location(answer), answer, host)

    def order(self, url: str, host: str) -> acme_wire.Order:
        """The order as it stands; OrderGone if it is not there, or not this account's."""
        try:
            answer = self._post(url, Empty())
        except OperatorError as error:
            # Made by an account that was lost since: the one we have may not read it.
            if error.problem != problems.URN + "unauthorized":
                raise
            raise OrderGone(str(error), problem=error.problem) from error
        return self._order(url, answer, host)

    def _order(self, url: str, answer: requests.Response, host: str) -> acme_wire.Order:
        order = acme_wire.order(url, acme_wire.body(answer), self._wait(answer))
        if order.names != (host,):
            raise BadAnswer(f"an order for {order.names} where one for {host} was asked for")
        return order

    def open_orders(self, account_url: str, host: str) -> list[acme_wire.Order]:
        """Unfinished orders for just this host, as far as the authority lists them (§ 7.1.2.1).

        An order whose answer was lost is found again by this, if it is among the first 200. Let's
        Encrypt has no such list; it answers the next request for the same name with the unfinished
        order itself.
        """
        account = acme_wire.body(self._post(account_url, Empty()))
        url: str | None = account["orders"] if isinstance(account.get("orders"), str) else None
        found: list[acme_wire.Order] = []
        read = 0
        while url is not None and read < ORDERS_READ:
            page = self._post(url, Empty())
            addresses = acme_wire.order_addresses(acme_wire.body(page))
            for address in addresses[: ORDERS_READ - read]:
                try:
                    order = self.order(address, host)
                except (BadAnswer, OrderGone):
                    continue
                if order.status in {"pending", "ready"}:
                    found.append(order)
            read += max(1, len(addresses))
            url = page.links.get("next", {}).get("url")
        return found

    def authorization(self, url: str) -> acme_wire.Authorization:
        """An authorization as it stands."""
        return acme_wire.authorization(url, acme_wire.body(self._post(url, Empty())))

    def answer_challenge(self, url: str) -> None:
        """Tell the authority to look (§ 7.5.1). The answer must be served already."""
        self._post(url, Payload())

    def finalize(self, order: acme_wire.Order, request: x509.CertificateSigningRequest) -> None:
        """Hand in the signing request; the certificate comes when the order is valid."""
        encoded = jose.b64encode(request.public_bytes(serialization.Encoding.DER)).decode()
        self._post(order.finalize, Payload(csr=encoded))

    def download(self, url: str) -> list[str]:
        """The chains of a certificate, the authority's own choice first (§ 7.4.2)."""
        answer = self._post(url, Empty())
        chains = [answer.text]
        links = requests.utils.parse_header_links(answer.headers.get("Link", ""))
        alternates = [one["url"] for one in links if one.get("rel") == "alternate"]
        chains += [self._post(one, Empty()).text for one in alternates[:ALTERNATES]]
        return chains

    # Revocation (§ 7.6) and renewal information (RFC 9773)

    def revoke(self, certificate_pem: str, reason: int = 0) -> None:
        """Revoke a certificate by the account that ordered it; reasons as in RFC 5280 § 5.3.1."""
        self._post(self.directory().revoke_cert, _revocation(certificate_pem, reason))

    def revoke_with_key(self, certificate_pem: str, key_pem: str, reason: int = 1) -> None:
        """Revoke by the certificate's own key, whoever ordered it; reason 1 is key compromise."""
        load_key(key_pem)
        self._sign_with(key_pem)
        self._post(self.directory().revoke_cert, _revocation(certificate_pem, reason))

    def renewal_info(self, renewal_id: str) -> RenewalInfo | None:
        """When the authority wants to be asked for the successor; None if it does not say."""
        base = self.directory().renewal_info
        if base is None:
            return None
        answer = self._network.fetch(f"{base.rstrip('/')}/{renewal_id}")
        return renewal_info.parse(acme_wire.body(answer), self._wait(answer))


def _revocation(certificate_pem: str, reason: int) -> Payload:
    leaf = x509.load_pem_x509_certificates(certificate_pem.encode())[0]
    der = leaf.public_bytes(serialization.Encoding.DER)
    return Payload(certificate=jose.b64encode(der).decode(), reason=reason)


def _plain(signed: jose.JWS) -> dict[str, Any]:
    value: dict[str, Any] = signed.to_json()
    return value


def _binding(key: jose.JWK, external: ExternalAccount, url: str) -> dict[str, Any]:
    try:
        bound: dict[str, Any] = messages.ExternalAccountBinding.from_data(
            key.public_key(),
            external.kid,
            external.hmac_key,
            messages.Directory({"newAccount": url}),
            external.algorithm,
        )
    except (ValueError, jose.errors.Error) as error:
        raise OperatorError(f"the external account's key cannot be used: {error}") from error
    return bound
