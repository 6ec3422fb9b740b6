"""Which groups a listener agrees to for its key exchange: those of Mozilla's "intermediate".

OpenSSL's own choice also has X448 and P-521, which do no harm but cost more, and which scanners
report. The Pythons of today can set one group only. So OpenSSL is asked through ctypes, on the
pointer that CPython's context object begins with; it is believed only if OpenSSL reads the same
options behind it as Python does. Where any of this is otherwise nothing is changed.
"""

import _ssl
import ctypes
import ssl
import sys

GROUPS = "X25519:P-256:P-384"

# openssl/ssl.h: SSL_CTX_set1_groups_list is this call of SSL_CTX_ctrl.
_SET_GROUPS_LIST = 92


def narrow(context: ssl.SSLContext) -> bool:
    """Offer only :data:`GROUPS`; whether that could be done.

    It counts for the context that a handshake begins with, whichever SNI switches to.
    """
    if sys.implementation.name != "cpython":
        return False
    try:
        library = ctypes.CDLL(_ssl.__file__)
        options, control = library.SSL_CTX_get_options, library.SSL_CTX_ctrl
    except (OSError, AttributeError):  # linked in statically, without these names
        return False
    options.argtypes, options.restype = [ctypes.c_void_p], ctypes.c_uint64
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    control.restype = ctypes.c_long
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if not pointer or options(pointer) != context.options & 0xFFFFFFFFFFFFFFFF:
        return False
    return bool(control(pointer, _SET_GROUPS_LIST, 0, GROUPS.encode()) == 1)
