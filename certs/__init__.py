"""Certificates by ACME (RFC 8555) over HTTP-01, for many host names on many machines.

How to think about it: a **host** is one row. :mod:`certs.decisions` says what it needs next and
when, :mod:`certs.manager` does it at an **authority** under a lease, and the row is saved before
every step that cannot be taken back. Nothing else remembers anything.

It promises: one order per host at a time, the private key stored before the order, the order's
address before it is finalized, nothing stored that was not verified, and budgets below the
authority's limits. When something fails the row says who must act and when it is tried again;
what is served is never touched by a failure. It never orders because of a handshake, never talks
to the network from :mod:`certs.sni`, and knows nothing of the program around it: storage, clock
and tasks are handed in (:mod:`certs.storage`).
"""
