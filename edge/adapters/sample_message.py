"""The sample message: what an instrumented HTML message looks like, to be opened in a browser."""

from html import escape
from string import Template
from typing import Final

_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Sample message</title>
<style>
  :root { color-scheme: light dark; --ground: #eef1f5; --paper: #fff; --ink: #1d2733;
          --soft: #55626f; --band: #17456b; --strong: #17456b; --on-strong: #fff;
          --mild: #e4ebf2; --focus: #b45309; }
  @media (prefers-color-scheme: dark) {
    :root { --ground: #11161c; --paper: #1b222b; --ink: #e6ebf1; --soft: #a3b0bd;
            --strong: #9cc7ee; --on-strong: #0e1a26; --mild: #2a3540; --focus: #f5b041; }
  }
  body { margin: 0; padding: 32px 16px; background: var(--ground); color: var(--ink);
         font: 16px/1.6 system-ui, -apple-system, "Segoe UI", sans-serif; }
  main { max-width: 580px; margin: 0 auto; background: var(--paper); border-radius: 12px;
         box-shadow: 0 2px 14px rgba(10, 20, 40, .14); overflow: hidden; }
  header { background: var(--band); color: #fff; padding: 28px 36px; }
  header p { margin: 0 0 6px; font-size: 14px; color: #d7e3ee; overflow-wrap: anywhere; }
  h1 { margin: 0; font-size: 25px; line-height: 1.25; text-wrap: balance; }
  section { padding: 24px 36px 4px; }
  section p { margin: 0 0 18px; }
  a.button { display: inline-block; margin: 0 8px 8px 0; padding: 10px 17px; border-radius: 8px;
             border: 1px solid transparent;
             background: var(--strong); color: var(--on-strong); text-decoration: none;
             font-size: 15px; font-weight: 600; }
  a.plain { background: var(--mild); color: var(--ink); }
  a:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
  code { background: var(--mild); padding: 2px 6px; border-radius: 4px; font-size: 14px;
         overflow-wrap: anywhere; }
  code.line { display: block; padding: 12px 14px; border: 1px solid transparent;
              border-radius: 8px; }
  footer { margin: 0 36px; padding: 16px 0 28px; border-top: 1px solid var(--mild);
           color: var(--soft); font-size: 14px; }
  footer a { color: inherit; }
  @media (max-width: 480px) {
    body { padding: 12px 8px; }
    header, section { padding-left: 22px; padding-right: 22px; }
    footer { margin: 0 22px; }
  }
</style>
</head>
<body>
<main>
  <header>
    <p>To: $recipient</p>
    <h1>This message is tracked by your own edge</h1>
  </header>
  <section>
    <p>Opening it has already told the edge: an invisible pixel at its end was fetched from
    <code>$host</code>. Now follow a link. It leads through the edge, which records the click and
    sends you on to where the link always pointed.</p>
    <p>
      <a class="button" id="first-link" href="$first">See how the edge is doing</a>
      <a class="button plain" id="second-link" href="$second">Visit example.com</a>
    </p>
    <p>A few seconds later this shows what was recorded, and whether a person or a machine did
    it:</p>
    <p><code class="line">$command</code></p>
  </section>
  <footer>
    You get this because you started an edge for the first time.
    <a id="unsubscribe" href="$unsubscribe">Unsubscribe</a>
  </footer>
</main>
<img src="$pixel" width="1" height="1" alt="">
</body>
</html>
""")


def page(
    *,
    recipient: str,
    host: str,
    command: str,
    pixel: str,
    first: str,
    second: str,
    unsubscribe: str,
) -> str:
    """The message with these URLs in it; ``command`` shows the events."""
    fields = {
        "command": command,
        "recipient": recipient,
        "host": host,
        "pixel": pixel,
        "first": first,
        "second": second,
        "unsubscribe": unsubscribe,
    }
    return _PAGE.substitute({name: escape(value) for name, value in fields.items()})
