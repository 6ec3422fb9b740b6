"""Which certificate a handshake gets, in real handshakes."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from certs.clock import SystemClock
from certs.directory_storage import write_private
from certs.keys import self_signed
from certs.sni import Certificates, server_name
from certs.tls import server_context
from tests.unit.certs.authority import NOW, TestAuthority
from tests.unit.certs.handshakes import client_context, shake

CA = TestAuthority()
HOST = "email.brand.example"


class LaterClock(SystemClock):
    """A minute ahead: every change is older than a tick of the file system."""

    @staticmethod
    def now() -> float:
        """Seconds since the epoch, shifted."""
        return SystemClock.now() + 60.0

    @staticmethod
    def monotonic() -> float:
        """The machine's monotonic clock."""
        return SystemClock.monotonic()


def serve(place: Path, *hosts: str, size: int = 3000) -> Certificates:
    """A directory with certificates of some hosts, and what serves it."""
    (place / "hosts").mkdir(exist_ok=True)
    write_private(place / "default.pem", self_signed("edge.example", NOW))
    for host in hosts:
        put(place, host)
    return Certificates(place / "hosts", place / "default.pem", LaterClock(), size)


def put(place: Path, host: str) -> int:
    """Put a certificate of a host in place; its serial number."""
    content = CA.file(host)
    write_private(place / "hosts" / f"{host}.pem", content)
    leaf = content[content.index("-----BEGIN CERT") :].encode()
    return x509.load_pem_x509_certificate(leaf).serial_number


def spoil(place: Path, host: str, content: str = "garbage") -> None:
    """Put something else in its place."""
    write_private(place / "hosts" / f"{host}.pem", content)


def names(certificate: x509.Certificate) -> list[str]:
    """The DNS names of a certificate."""
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


def test_each_host_gets_its_own_certificate(tmp_path: Path) -> None:
    """In any spelling of upper and lower case."""
    served = serve(tmp_path, HOST, "two.brand.example")
    for asked, expected in ((HOST, HOST), ("TWO.Brand.Example", "two.brand.example")):
        assert names(shake(served.listener, asked).certificate) == [expected]
    assert HOST in served


def test_without_sni_the_default_is_served_and_can_be_replaced(tmp_path: Path) -> None:
    """Old clients, and whoever calls by address."""
    served = serve(tmp_path, HOST)
    assert names(shake(served.listener, None).certificate) == ["edge.example"]
    write_private(tmp_path / "default.pem", self_signed("new.example", NOW))
    served.refresh()
    assert names(shake(served.listener, None).certificate) == ["new.example"]
    write_private(tmp_path / "default.pem", "broken")
    served.refresh()
    assert "default.pem" in str(served.default_fault)
    assert names(shake(served.listener, None).certificate) == ["new.example"]
    write_private(tmp_path / "default.pem", self_signed("newest.example", NOW))
    served.refresh()
    assert not served.default_fault
    assert names(shake(served.listener, None).certificate) == ["newest.example"]


@pytest.mark.parametrize(
    "name",
    [
        *("unknown.example", "brand.example", "x." + HOST, HOST + ".pem", HOST + "."),
        *("../default", "../../etc/passwd", "hosts/" + HOST, "a\0b", HOST + "\0", "", ".", "\n"),
        *("a" * 255, "ä.example", "\ud800"),
    ],
)
def test_hostile_and_unknown_names_are_refused_without_a_look_at_the_disk(
    tmp_path: Path, name: str
) -> None:
    """They are compared with what was listed, and never made into a path."""
    served = serve(tmp_path, HOST)
    for path in (tmp_path / "hosts").iterdir():
        path.unlink()
    assert served.context(name) is None
    assert served.misses == 0


def test_ten_thousand_unknown_names_load_nothing(tmp_path: Path) -> None:
    """Each is counted; the client gets an alert or a closed connection."""
    served = serve(tmp_path, HOST)
    with pytest.raises(ssl.SSLError):
        shake(served.listener, "unknown.example")
    connection = client_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    for number in range(9_999):
        alert = served.choose(connection, f"{number}.example", served.listener)
        assert alert == ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    assert (served.refused, served.misses) == (10_000, 0)


def test_a_replaced_certificate_is_served_from_the_next_handshake(tmp_path: Path) -> None:
    """After a refresh, without a restart; before it the old one is served on."""
    served = serve(tmp_path, HOST)
    before = shake(served.listener, HOST).certificate.serial_number
    serial = put(tmp_path, HOST)
    assert shake(served.listener, HOST).certificate.serial_number == before
    assert served.refresh()
    assert shake(served.listener, HOST).certificate.serial_number == serial != before


def test_new_and_removed_hosts_are_noticed(tmp_path: Path) -> None:
    """By the next refresh."""
    served = serve(tmp_path, HOST)
    put(tmp_path, "new.brand.example")
    (tmp_path / "hosts" / f"{HOST}.pem").unlink()
    served.refresh()
    assert names(shake(served.listener, "new.brand.example").certificate) == ["new.brand.example"]
    with pytest.raises(ssl.SSLError):
        shake(served.listener, HOST)


def test_an_unchanged_directory_is_not_listed_again(tmp_path: Path) -> None:
    """Once its last change is older than a tick of the file system's clock."""
    served = serve(tmp_path, HOST)
    assert not served.refresh()
    put(tmp_path, HOST)
    assert served.refresh()
    assert not served.refresh()
    fresh = Certificates(tmp_path / "hosts", tmp_path / "default.pem", SystemClock())
    assert fresh.refresh()


def test_a_broken_file_leaves_what_was_served(tmp_path: Path) -> None:
    """Garbage, a foreign key, a half-written chain: the fault is told until it is mended."""
    served = serve(tmp_path, HOST)
    good = shake(served.listener, HOST).certificate.serial_number
    one, two = CA.file(HOST), CA.file(HOST)
    mixed = one[: one.index("-----BEGIN CERT")] + two[two.index("-----BEGIN CERT") :]
    for content in ("garbage", mixed, one[:600], ""):
        spoil(tmp_path, HOST, content)
        served.refresh()
        assert shake(served.listener, HOST).certificate.serial_number == good
        assert HOST in served.faults
        put(tmp_path, "other.brand.example")
        served.refresh()
        assert HOST in served.faults
    serial = put(tmp_path, HOST)
    served.refresh()
    assert shake(served.listener, HOST).certificate.serial_number == serial
    assert not served.faults


def test_a_broken_file_of_a_new_host_is_refused(tmp_path: Path) -> None:
    """There is nothing else to serve; the others are served on."""
    served = serve(tmp_path, HOST)
    spoil(tmp_path, "new.brand.example")
    served.refresh()
    with pytest.raises(ssl.SSLError):
        shake(served.listener, "new.brand.example")
    assert "new.brand.example" in served.faults
    assert names(shake(served.listener, HOST).certificate) == [HOST]


def test_only_private_regular_files_are_served(tmp_path: Path) -> None:
    """A key that others may read, a link out of the directory, a directory: told, not served."""
    serve(tmp_path, HOST)
    hosts = tmp_path / "hosts"
    (tmp_path / "elsewhere.pem").write_text(CA.file("link.example"))
    (hosts / "link.example.pem").symlink_to(tmp_path / "elsewhere.pem")
    (hosts / "directory.example.pem").mkdir()
    put(tmp_path, "open.example")
    (hosts / "open.example.pem").chmod(0o640)
    put(tmp_path, ".hidden.example")
    (hosts / "notes.txt").write_text("x")
    served = Certificates(hosts, tmp_path / "default.pem", LaterClock())
    assert set(served.faults) == {"link.example", "directory.example", "open.example"}
    assert "640" in served.faults["open.example"]
    for name in (*served.faults, ".hidden.example", "notes", "notes.txt"):
        assert served.context(name) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_other_users_are_not_served(tmp_path: Path) -> None:
    """Whoever may write the key may be served as the host."""
    served = serve(tmp_path, HOST)
    os.chown(tmp_path / "hosts" / f"{HOST}.pem", 65534, 65534)
    put(tmp_path, "other.example")
    served.refresh()
    assert served.context(HOST) is None
    assert "another user" in served.faults[HOST]


def test_contexts_in_memory_are_bounded(tmp_path: Path) -> None:
    """The least recently used one goes, and is loaded again when it is asked for."""
    hosts = [f"host{number}.brand.example" for number in range(5)]
    served = serve(tmp_path, *hosts, size=3)
    for host in hosts:
        assert names(shake(served.listener, host).certificate) == [host]
    assert served.misses == 5
    for host in hosts[2:]:
        shake(served.listener, host)
    assert served.misses == 5
    shake(served.listener, hosts[0])
    assert served.misses == 6
    shake(served.listener, hosts[2])
    assert served.misses == 7


def test_a_directory_that_cannot_be_read_is_served_from_memory(tmp_path: Path) -> None:
    """What is known is served on; the caller gets the error."""
    served = serve(tmp_path, HOST)
    shake(served.listener, HOST)
    (tmp_path / "hosts").rename(tmp_path / "gone")
    with pytest.raises(OSError, match="hosts"):
        served.refresh()
    assert names(shake(served.listener, HOST).certificate) == [HOST]


def test_sessions_resume_also_after_a_renewal(tmp_path: Path) -> None:
    """Tickets are the listener's, which outlives every certificate."""
    served = serve(tmp_path, HOST)
    client = client_context()
    first = shake(served.listener, HOST, client=client)
    assert not first.resumed
    again = shake(served.listener, HOST, client=client, session=first.session)
    assert again.resumed
    put(tmp_path, HOST)
    served.refresh()
    last = shake(served.listener, HOST, client=client, session=again.session)
    assert last.resumed


@pytest.mark.parametrize(
    ("newest", "ciphers", "accepted"),
    [
        (ssl.TLSVersion.TLSv1_3, "DEFAULT", True),
        (ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM", True),
        (ssl.TLSVersion.TLSv1_2, "ECDHE+CHACHA20", True),
        (ssl.TLSVersion.TLSv1_2, "DHE+AESGCM:AES128-GCM-SHA256:AES256-SHA", False),
        (ssl.TLSVersion.TLSv1_2, "ECDHE+AES:!AESGCM:!AESCCM", False),
    ],
)
def test_versions_and_ciphers_are_mozillas_intermediate(
    tmp_path: Path, newest: ssl.TLSVersion, ciphers: str, accepted: bool
) -> None:
    """TLS 1.2 with forward secrecy and authenticated encryption, or TLS 1.3; HTTP/1.1 only."""
    served = serve(tmp_path, HOST)
    client = client_context()
    client.maximum_version = newest
    client.set_ciphers(ciphers)
    if accepted:
        found = shake(served.listener, HOST, client=client)
        assert found.version == ("TLSv1.3" if newest is ssl.TLSVersion.TLSv1_3 else "TLSv1.2")
        assert found.alpn == "http/1.1"
    else:
        with pytest.raises(ssl.SSLError):
            shake(served.listener, HOST, client=client)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_older_versions_are_refused(tmp_path: Path) -> None:
    """Whatever the client would be content with."""
    served = serve(tmp_path, HOST)
    client = client_context()
    client.minimum_version = ssl.TLSVersion.TLSv1_1
    client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake(served.listener, HOST, client=client)


def given(place: Path, *names: str) -> Certificates:
    """A directory with ``HOST``, and a default that is a context for these names."""
    serve(place, HOST)
    write_private(place / "given.pem", self_signed("given.example", NOW))
    context = server_context(place / "given.pem")
    return Certificates(place / "hosts", context, LaterClock(), names=names)


def test_a_given_default_is_served_for_its_own_names(tmp_path: Path) -> None:
    """Exactly, or one label below a wildcard; a host's own file comes first; others are refused."""
    served = given(tmp_path, "Given.example", "*.brand.example")
    for name in (None, "given.example", "GIVEN.example", "any.brand.example"):
        assert names(shake(served.listener, name).certificate) == ["given.example"]
    assert names(shake(served.listener, HOST).certificate) == [HOST]
    for name in ("brand.example", "a.b.brand.example", "other.example"):
        assert name not in served
        with pytest.raises(ssl.SSLError):
            shake(served.listener, name)
    assert "any.brand.example" in served
    assert served.known == 1


def test_without_a_directory_the_default_is_all_there_is(tmp_path: Path) -> None:
    """Nothing is listed, and nothing else served."""
    serve(tmp_path, HOST)
    served = Certificates(None, tmp_path / "default.pem", LaterClock())
    assert not served.refresh()
    assert names(shake(served.listener, None).certificate) == ["edge.example"]
    assert served.context(HOST) is None


def test_a_connection_knows_the_name_it_was_accepted_for(tmp_path: Path) -> None:
    """In lower case; empty without SNI, and for what was refused."""
    served = serve(tmp_path, HOST)
    for asked, expected in ((HOST.upper(), HOST), (None, ""), ("unknown.example", "")):
        connection = served.listener.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
        served.choose(connection, asked, served.listener)
        assert server_name(connection) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_the_named_owner_are_served(tmp_path: Path) -> None:
    """A process that gives up root later lists them before, as that user's."""
    serve(tmp_path, HOST)
    os.chown(tmp_path / "hosts" / f"{HOST}.pem", 65534, 65534)
    default = tmp_path / "default.pem"
    assert HOST not in Certificates(tmp_path / "hosts", default, LaterClock())
    assert HOST in Certificates(tmp_path / "hosts", default, LaterClock(), owner=65534)
