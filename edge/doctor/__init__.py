"""What is wrong with a domain's DNS and its way to us, and how to mend it.

Checks are pure functions from looked-up facts to findings; looking up is done apart, with a
deadline for each question. A finding never stops anything that works: it is a text for people and
a code for programs.
"""
