"""Everything the supervisor opens before it forks, in order, and closed again if a step fails."""

import socket
import ssl
from dataclasses import dataclass, field

from certs.sni import Certificates
from edge import service_user
from edge.adapters import certificates, data_directory, listening
from edge.clock import Clock
from edge.model.errors import OperatorError, PeerError
from edge.model.vault import Vault
from edge.roster import snapshot
from edge.setting_types import Bind
from edge.settings import Settings
from edge.store import sealed_keys
from edge.store.embedded import Cluster


@dataclass
class Opened:
    """What the supervisor holds open for its children."""

    user: service_user.ServiceUser | None
    lock: data_directory.Lock
    vault: Vault
    edge_id: str
    http: list[socket.socket] = field(default_factory=list)
    https: list[socket.socket] = field(default_factory=list)
    control: list[socket.socket] = field(default_factory=list)
    panel: list[socket.socket] = field(default_factory=list)
    smtp: list[socket.socket] = field(default_factory=list)
    smtps: list[socket.socket] = field(default_factory=list)
    returns: list[socket.socket] = field(default_factory=list)
    certificates: Certificates | None = None
    control_context: ssl.SSLContext | None = None
    smtp_context: ssl.SSLContext | None = None
    panel_context: ssl.SSLContext | None = None
    cluster: Cluster | None = None
    dsn: str = ""


def open_all(
    settings: Settings, *, tracks: bool, clock: Clock, sends: bool = False
) -> tuple[Settings, Opened]:
    """Open everything in order; the settings come back with the ports that the kernel gave.

    ``tracks`` and ``sends``: whether there are children that serve tracking hostnames, and SMTP
    and the panel.

    Raises :class:`~edge.model.errors.OperatorError` for whatever does not let the edge start.
    """
    user = service_user.find(settings.user)
    settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    data_directory.prepare(settings.data_dir, user)
    lock = data_directory.Lock(settings.data_dir)
    lock.take("running", clock)
    try:
        cluster = None
        if not settings.database_url:
            cluster = Cluster(settings.data_dir, clock=clock, user=user)
        vault = vault_for(settings, cluster, user)
        opened = Opened(user, lock, vault, data_directory.edge_id(settings.data_dir, user))
        opened.cluster = cluster
        found = listening.contexts(settings)
        opened.control_context, opened.smtp_context = found.control, found.smtp
        opened.panel_context = found.panel
        if tracks:
            opened.certificates = certificates.opened(settings, user, clock)
        settings = _bind(settings, opened, clock, tracks=tracks, sends=sends)
        if cluster is not None:
            _ = cluster.binaries  # those of its version must be here: better told now than later
            cluster.create()
        opened.dsn = settings.database_url or (cluster.dsn if cluster else "")
    except BaseException:
        lock.end()
        raise
    return settings, opened


def vault_for(
    settings: Settings, cluster: Cluster | None, user: service_user.ServiceUser | None
) -> Vault:
    """The vault, checked against what it has sealed; a new key only for a new database."""
    path = settings.master_key_path
    roster = snapshot.load(settings.data_dir / snapshot.FILE_NAME)
    if not path.exists() and roster is None and _is_new(settings, cluster):
        return data_directory.make_master_key(path, user)
    vault = data_directory.read_vault(path)
    data_directory.warn_if_open(path)
    if roster is not None:
        roster.keyring(vault)
    return vault


def _is_new(settings: Settings, cluster: Cluster | None) -> bool:
    """Whether nothing can have been sealed yet."""
    if cluster is not None:
        return not cluster.exists
    try:
        return not sealed_keys.read(settings.database_url)
    except PeerError as error:
        raise OperatorError(
            f"there is no master key at {settings.master_key_path}, and whether EDGE_DATABASE_URL "
            f"needs an existing one cannot be told: {error}; make the database reachable for this "
            "first start, or copy the master key from another edge of this installation"
        ) from None


def _bind(
    settings: Settings, opened: Opened, clock: Clock, *, tracks: bool, sends: bool
) -> Settings:
    wanted = {"control_bind": opened.control}
    if tracks:
        wanted["http_bind"] = opened.http
        if opened.certificates is not None:
            wanted["https_bind"] = opened.https
    if sends:  # where control runs, sending does too
        wanted["panel_bind"] = opened.panel
        wanted["smtp_bind"] = opened.smtp
        wanted["returns_bind"] = opened.returns
        if opened.smtp_context is not None:
            wanted["smtps_bind"] = opened.smtps
    given = {}
    for name, sockets in wanted.items():
        address: Bind = getattr(settings, name)
        patience = listening.PATIENCE if opened.lock.after_crash else 0.0
        sockets += listening.bind(f"EDGE_{name.upper()}", address, clock, patience)
        given[name] = Bind(host=address.host, port=listening.port_of(sockets[0]))
    return settings.model_copy(update=given)
