"""Wordings of the way and of the systems on it: what says nothing about the address."""

from typing import Final

from edge.returns.reasons import Reason
from edge.returns.rules import rule

RULES: Final = (
    rule(
        "expired",
        Reason.EXPIRED,
        "RFC 3463 X.4.7; Sendmail Timeout.queuereturn; Exim retry configuration; qmail-send(8) queuelifetime; Exchange NDR 4.4.7; Postfix maximal_queue_lifetime; Gmail delivery notices",
        r"""
        delivery (time|period) (has )?expired|delivery expired|(message|mail|queue)[^.;]{0,40} (expired|timed? ?out)|retry time(out)? (exceeded|not reached)|retry timeout|ultimate timeout|(been |remained )?(in|on) (the |our |my |its )?queue (for )?(too long|more than|longer)|queue (time|lifetime|too long|period)|too long in (the )?queue|maximum (queue|retry|delivery) (time|lifetime|attempts)|(could|can|can'?t|unable|not)( ?not)? (be )?deliver(ed)?( it| this| your| the| message| mail)*( for| in| after| within| to [^ ]{1,80} for)? (the last |the past |more than |over |at least |about |approximately )*\d+(\.\d+)? ?(day|hour|minute|week|second|h\b|d\b)|(giving|gave|given|give) up( on| after)?|gives up|it'?s been (in the queue|queued)|not (been )?delivered (yet )?(within|after|for)( the last)? \d+|(after|for|during|within) \d+ (days?|hours?|attempts|retries|tries)|multiple (retries|attempts|delivery attempts)|retries exceeded|(exceeded|too many|maximum) (number of )?(retr|delivery attempts|attempts|deliver)|(allowed|maximum) queue period|expiration (time|date)|qms\.|\#4\.4\.7|\b4\.4\.7\b|\b5\.4\.7\b|ttl expired|is (no longer|not going to) (being )?retr|will no longer (be )?tr|stopped trying|no longer (try|trying|be tried)|has been undeliverable|undeliverable for|message timed out|last attempt|long failure period|all hosts (for [^ ]{1,80} )?have been failing|did ?n[o']t? respond|server (has )?(not responded|did not respond|not responding)|no response from (host|remote|server)|recipient('s)? (e-?mail )?server (is )?not (respond|accept)|not collected|(konnte|nicht)[^.;]{0,60}(seit|innerhalb|nach) (\d+|mehr als)|zeit(überschreitung|limit)|d.lai (d'attente|de livraison|expir)|pendant \d+|durante \d+ (d|h)|caducado|tiempo (de espera|agotado)|истек|в течение \d+|期限切れ|タイムアウト|超时|逾時
        """,
    ),
    rule(
        "loop",
        Reason.NETWORK,
        "RFC 3463 X.4.6; RFC 5321 § 6.3; Exchange NDR 5.4.6, 5.4.14; Postfix hopcount_limit; qmail-local(8) Delivered-To; Sendmail MaxHopCount",
        r"""
        hop ?count|mail(er)? loop|routing loop|\bloop(s|ing|ed)?\b|too many (hops|received)|hops (exceed|\()|received: (headers|lines)|maximum (hop|forward)|loops? back to|mail for [^ ]{1,80} loops|forwarding (loop|to)|delivered-to line|boucle|schleife|bucle|прицикл|ループ|循环
        """,
    ),
    rule(
        "program",
        Reason.MAILER,
        "Postfix local(8), pipe(8); Sendmail prog and sysexits(3); procmail(1); qmail-command(8); Exim pipe transport; maildrop(1); Cyrus deliver(8)",
        r"""
        command (died|failed|time limit|output|returned|terminated|exited|execution|not allowed)|(died|exit(ed)?|terminated|failed) with (status|signal|code|exit)|(exit|return) (status|code) \d|child process|pipe (to|delivery|failed)|\|/?[a-z/"]|procmail|maildrop|vacation (program|:)|exec(ution|ute|ve)? (fail|error|of)|(local|x-unix|unix)[-; ].{0,20}\d+$|unable to (run|execute)|cannot (execute|run|exec)|could not (run|execute)|program (fail|error|exit|returned)|internal (software|mailer) error|local configuration error|mailer error|smrsh|no such file or directory|can't (open|create|access|chdir|execute)|temporary error in (the )?mailer|local mailer|deliver: |auto-?responder fail|fork fail
        """,
    ),
    rule(
        "storage",
        Reason.SYSTEM_FULL,
        "RFC 5321 § 4.2.3 (452); RFC 3463 X.3.1; Postfix queue_minfree; Exchange back pressure; qmail #4.3.0",
        r"""
        insufficient (system |disk |server |free |main )*(storage|resources|disk|space|memory)|disk (is )?full|file ?system (is )?full|no (free )?space left|(mail )?system (is )?(full|out of)|out of (memory|resources|disk)|(server|system|host|partition|spool|volume)[^.;]{0,30} (full|out of (disk|space))|low on (disk|space|resources)|not enough (disk|space|memory|storage)|mail system full|no space|insuffisant|disco lleno|festplatte
        """,
    ),
    rule(
        "network",
        Reason.NETWORK,
        "Postfix smtp(8); Sendmail sysexits EX_UNAVAILABLE; Exim smtp transport; qmail-remote(8); Exchange NDR 4.4.0 to 4.4.2, 4.4.316; RFC 3463 X.4",
        r"""
        (connection|connect|conversation|session|network|socket|read|write)( to [^ ]{1,80}| with [^ ]{1,80}| was| is| has been| attempt| error:?)*( |: )(timed? ?out|refused|reset|dropped|lost|closed|aborted|died|failed|broken|terminated|interrupted)|lost connection|timeout (exceeded|while|waiting|after|during|on|error)|timed out (while|waiting|after|on|in|during|with)|operation timed|time-?out|host (is )?(unreachable|down|not reachable)|no route to host|network (is )?(unreachable|down|error|failure)|unreachable|(dns|name|mx)( server| service| query| lookup)* (query failed|failure|timeout|error|failed|problem|not respond|timed out|deferred|soft)|temporary (dns|name|resolv)|host (name )?(lookup|not found, try again)|name server (failure|time|error|problem)|try again later: dns|deferred: (connection|host|name)|host lookup (did not complete|fail)|(could|can|unable|not able|was|failed|wasn't|couldn't|can't|cannot)( ?not)?( able)? (to )?(connect|reach|contact|establish|open|talk)|broken pipe|no (answer|route)|malformed (dns|name|or unexpected)|unable to (connect|contact|reach|look ?up|resolve)|bad connection|peer (has )?(closed|reset)|premature(ly)?|unexpected (end|close|disconnect|eof)|remote (host|server) (closed|dropped|not|unavailable|unreachable|is down)|conexi.n|verbindung(saufbau)? |connexion |соединени|не удалось (соединит|подключ|установ)|接続(でき|が|に|エラー)|连接(失败|超时|被|不)|연결|servfail|4\.4\.(0|1|2|3|316|4|5)\b|partner did not|hostname lookup
        """,
    ),
    rule(
        "temporary",
        Reason.SYSTEM,
        "Postfix; Gmail SMTP errors 4.3.0; Yahoo; RFC 5321 § 3.8; RFC 3463 X.3; Exim; Exchange STOREDRV",
        r"""
        temporar(y|ily) (lookup|system|local|rejected|unavailable|problem|fail|error|server|internal|authentication|delivery|out of|not|resource|mail)|service (shutting|not available|is (currently |temporarily )?unavailable|unavailable|currently|temporarily|closing)|(server|system|local|internal|configuration|config|config(ured)?|database|db|ldap|backend|sql|i/o|input/output|processing|software|queue|server side|storage|user lookup|mapping) (is )?(configuration |processing |server |file |lookup |access |system )*(error|problem|failure|fault|not available|unavailable|misconfigur|down|trouble)|misconfigur|resources temporarily|error in processing|requested action aborted|technical (difficult|problem|error|reason)|(mail|smtp) (server|service|system)[^.;]{0,20} (unavailable|down|not available|error)|currently unavailable|under maintenance|maintenance|transport unavailable|mail transport|unexpected (error|condition|failure)|unspecified|unable to (lock|open|write|process|complete|store|queue|create)|could not (lock|open|write|process|complete|store|load|queue|create|be processed)|cannot (lock|write|process|store|append)|storedrv|mapi|file (error|i/o)|(lock|read-?only) (error|file)|all transports|internal error|system (error|failure|config)|delivery (temporarily )?(error|failure|problem)\b.{0,0}|fehler bei|erreur (interne|syst|temporaire|de traitement)|error (interno|temporal|del sistema|del servidor)|временн\w+ (ошибк|проблем|сбой)|一時的|系统(错误|繁忙|忙)|系統|暂时
        """,
        weak=True,
    ),
)

LATER: Final = rule(
    "later",
    Reason.ON_HOLD,
    "RFC 5321 § 4.2.1 (4yz: try the same request again)",
    r"""
    please (try|retry|resend)( again| it)?( later| soon)|try (again )?later|retry later|later
    """,
    weak=True,
)
