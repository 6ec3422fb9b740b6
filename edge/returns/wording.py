"""All rules in the order in which they decide, and the matchers made of them.

First what is about the sender or the message though it names a mailbox or a domain, then the
address and its mailbox, then reputation and policy, last what only delays.
"""

from typing import Final

from edge.returns import wording_address, wording_refusal, wording_sender, wording_transport
from edge.returns.rules import Matcher, named

RULES: Final = (
    *wording_refusal.FIRST,
    *wording_sender.RULES,
    *wording_address.RULES,
    *wording_refusal.RULES,
    *wording_transport.RULES,
    wording_transport.LATER,
)

BY_NAME: Final = named(RULES)

STRONG: Final = Matcher(one for one in RULES if not one.weak)
WEAK: Final = Matcher(one for one in RULES if one.weak)
