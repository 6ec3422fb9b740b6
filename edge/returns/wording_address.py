"""Wordings about the address, its domain and its mailbox."""

from typing import Final

from edge.returns.reasons import Reason
from edge.returns.rules import rule

RULES: Final = (
    rule(
        "rate-of-mailbox",
        Reason.RATE_LIMITED,
        "Gmail SMTP errors 4.2.1, 5.2.1, 5.4.5; Exchange NDR 5.2.121, 5.2.122, 5.7.705; GMX, QQ, Zoho and Mail.ru help pages",
        r"""
        at a rate that|receiving (mail|messages) (at a rate|too quickly|too fast)|per hour message receive limit|messages? (receive|received) limit
        (sending|send|daily|hourly|message|recipients?|mail) (rate |user |message |smtp relay )?(limit|quota) (is |was |has been )?(exceed|reached|for)|exceeded (the |your )?(daily|hourly|sending|send|recipient|maximum number of (recipients|messages|connections))
        frequency limit|unusual sending activity|frequency (is )?limited|sends? too (many|much|fast|often)|too (many|much) (mail|messages|e-?mails) (in|from|per|sent|for this session|within|to)
        exceed(s|ed|ing)? (the |your |our |my |allowed |maximum |a )*(number of|rate|frequency|connection|messages? per|recipients?|sending|concurrent)|maximum (number of )?(recipients|messages|connections)
        """,
    ),
    rule(
        "mailbox-full",
        Reason.MAILBOX_FULL,
        "RFC 3463 X.2.2; Gmail SMTP errors 4.2.2, 5.2.2; Exchange NDR 5.2.2; Yahoo, Mail.ru and QQ help pages; Courier, Exim, Dovecot (quota_exceeded_message), Cyrus, procmail(1)",
        r"""
        (mailbox|mail ?box|inbox|mail ?folder|account|mailfolder|maildir|mail ?file|mail ?drop|message store|storage|user|boite|box|folder|spool|directory)('s)?( size| storage| space| quota| limit| file| is| was| has| are| of [^ ]{1,80}| for [^ ]{1,80}| [^ @]{1,60}@[^ ]{1,80}| currently| almost| already)* (full|overfull|over its|over the|over size|exceeds|exceeded|over limit|over allocated)\b
        over ?-?quota|overquota|quota[^.;]{0,40}(exceed|full|violat|reached|overdrawn|over)|(exceed|over|beyond|above|out of|reached|past|insufficient|violat|not enough|hit)\w*( |\b)[^.;]{0,30}\b(disk )?quotas?\b|quotaexceeded|disk ?quota|quota ?exceeded|disc quota|edquot|is over (his|her|their|the|its) quota|overquotatemp|quota_exceeded|not enough quota
        out of (storage|disk|mailbox) ?space|out of storage|exceeded (the |its |their |his |her |maximum |mailbox |allocated |allotted )*(storage|space|disk|mailbox|size limit)( allocation| limit| space| quota)?|storage (space )?(allocation|limit|quota)|exceeded (the )?storage|insufficient (disk|mailbox|user) (storage|space|quota)
        (not enough|no( more)?|insufficient|lack of|without|run out of|ran out of) (free |available |sufficient |storage |disk |mail ?box )*(space|storage|room|quota)[^.;]{0,20} (in|for|left in|on)? ?(the |this |that |his |her |user'?s? |recipient'?s? |a )*(mailbox|account|user|recipient|inbox|mail|folder)
        mailbox (has )?exceed|(exceed|exceeds|exceeded) (the )?(maximum |allowed |mailbox )*(mailbox|mail box|inbox|account|folder)|mailbox size|too much mail|mailbox limit|mailbox is too (large|big|full)|user (has )?(too many|exceeded|is over)|too many (messages|mails?|e-?mails?) (in|on) (this|the|recipient|user)
        mailfolder is full|inbox is full|inbox (is )?out of|account is full|\bis full\b|full mailbox|mailbox full|mail box full|user'?s? (mail ?box|inbox|disk|account)[^.;]{0,20} full|boxfull|mail_?box_?full|mbox is full
        would (cause the mailbox to )?exceed|maildir delivery failed: (domain|user)|user'?s? disk|(his|her) (mailbox|inbox)|maildir over quota|would be over the allowed quota|would go over quota|account is over|dd requested mail action aborted: exceeded|diskspace quota
        postfach (ist )?(voll|überfüllt|ueberfuellt|zu voll)|speicherplatz|überschreitet|postfach des empfängers|kontingent|bo.te (aux lettres |de r.ception )?(du destinataire )?(est )?(pleine|satur)|quota (est )?d.pass|capacit. (maximale|de stockage)|buz.n (est. )?(lleno|completo)|casilla (est. )?llena|cuota (excedida|superada)|casella (di posta |e-?mail )?(.{0,10})?piena|caixa (postal |de correio |de entrada )?(est. )?(cheia|lotada)|переполнен|превышен\w* (квот|лимит|размер почтов)|ящик.{0,20}(полон|заполнен)|skrzynka.{0,20}(pełna|przepełniona)|メールボックス.{0,12}(いっぱい|一杯|容量|満|超)|容量.{0,10}(超|オーバー|不足)|邮箱.{0,10}(已满|空间|满|容量)|信箱.{0,6}(已滿|滿|容量)|사서함.{0,10}(가득|용량|꽉)|mailbox vol|postvak.{0,10}vol
        """,
    ),
    rule(
        "filtered",
        Reason.FILTERED,
        "Exchange NDR 5.7.1 RESOLVER.RST.NotAuthorized and 5.7.129 to 5.7.135; NTT docomo and au notes on domain filters; Sendmail and Sieve (RFC 5228, 5429) reject; Yahoo block lists of users",
        r"""
        resolver\.rst\.(notauthori[sz]ed|recipientrestricted|recipientnotallowed)|you do not have permission to send to this (recipient|distribution)
        (recipient|user|addressee|mailbox|account holder|destination) (has )?(rejected|refuse[sd]?|declined|blocked|does not (accept|want|wish)|doesn't (accept|want)|only accepts|is only accepting|has restricted|preferences|has denied|has opted|filters|has elected not)
        (refused|rejected|blocked|discarded|denied|filtered|deleted|returned)( by| due to| because of| per)( the| this| a)? (recipient|user|addressee|mailbox owner|owner|account|customer|subscriber)('?s)?\b
        (only|exclusively) accept(s|ing)? (mail|messages|e-?mail)[^.;]{0,20} (from|by)|accepts (mail|messages) only from|is only accepting mail from specific|message filtered|filtered out|rejected due to user rules|user rules|sieve|refused due to recipient|recipient preferences|you have been blocked by|blocked by the (recipient|user|owner)|sender (is |has been )?(on|in) (the |this )?(recipient|user)('s)? (block|reject)
        this (account|mailbox|address) is protected by|not (on|in) (my|the|his|her|this user's|recipient's) (white ?list|allow(ed)? ?list|approved|safe)|(protected|restricted) (address|mailbox|recipient|group)|due to extended inactivity|has restricted sms|domain filter|receiving filter|mail from you is not|refuse to receive|reject this (recipient|sender)
        reject(ed)? by (a )?(sieve|vacation|user|procmail|recipient)|mailbox owner|the recipient has|(has|have) blocked (your|the sender|this sender|mail|messages)|личн\w+ фильтр|заблокировал|отклон\w+ получател|受信拒否|拒否設定|受信者.{0,10}拒|拒收|收件人.{0,10}(拒|设置)|empf.nger (hat )?(die annahme|blockiert|verweigert)|destinataire (a )?(refus|bloqu)|destinatario ha (rechazado|bloqueado)
        """,
    ),
    rule(
        "suspended",
        Reason.SUSPENDED,
        "RFC 3463 X.2.1; Gmail SMTP errors 5.2.1; Yahoo 554 dd; Mail.ru, QQ and Comcast error pages; Sendmail mailertable; Exim and cPanel suspended accounts",
        r"""
        (account|mailbox|mail ?box|user|recipient|reach|address|domain|e-?mail|customer|inbox|subscriber|alias|login)( [^ .;]{1,120}){0,6} (disabled|suspended|in-?active|discontinued|deactivated|de-activated|locked|frozen|blocked|expired|terminated|closed|cancell?ed|dormant|has been (stopped|blocked|limited)|on hold|deleted due|not (been )?active|not activated|not (currently )?active|not enabled|restricted|is (currently )?unavailable)\b
        (disabled|suspended|in-?active|discontinued|deactivated|locked|frozen|expired|closed|cancell?ed|terminated|dormant|unactivated) (mailbox|mail ?box|account|user|recipient|address|e-?mail|domain|customer|alias)
        (delivery|mail|email) (to this (account|mailbox|address|user) )?(has been |is )?(temporarily )?(suspended|disabled)|boite (du destinataire )?(archivee|inactive)|is a deactivated|vdelivermail: account is locked|account (is )?(temporarily )?(locked|unavailable)|(has been|is|was) (disabled|suspended|deactivated)\b|mailbox (currently )?suspended|user suspended|invalid/inactive|inactive user|user inactive|not active(d)?$|unactivated|mailbox_?disabled|account disabled
        (konto|postfach|benutzer|empfänger\w*)[^.;]{0,30} (gesperrt|deaktiviert|inaktiv|stillgelegt)|compte[^.;]{0,40} (suspendu|d.sactiv|bloqu|inactif)|cuenta[^.;]{0,40} (suspendida|desactivada|inactiva|bloqueada|deshabilitada)|account [^.;]{0,20}(sospeso|disattivato)|conta[^.;]{0,20} (suspensa|desativada|inativa|bloqueada)|(учётн|учетн|ящик|пользователь|аккаунт)[^.;]{0,40} (заблокирован|отключ|неактив|приостановлен)|停止(中|され|して)|アカウント.{0,12}(停止|無効)|利用停止|(邮箱|帐号|账号|用户).{0,8}(禁用|冻结|锁定|停用|未激活)|konto (jest )?(zablokowane|nieaktywne)
        """,
    ),
    rule(
        "moved",
        Reason.MOVED,
        "RFC 5321 § 3.4 (551); RFC 3463 X.1.6; Postfix relocated(5); Sendmail FEATURE redirect",
        r"""
        (user|mailbox|recipient|account|address|addressee|person|he|she|alias)( [^ .;]{1,100}){0,2} (has |have |is |was )?(been )?(moved|relocated|migrated)\b|user not local; please try|(has |is )?moved to
        no longer at this address|please try <|has been replaced|address (has )?changed|has a new (e-?mail|address)|new e-?mail address|has changed (his|her|their|its)|(please|kindly) use (the )?(new )?address|is now [^ ]{1,80}@|use [^ ]{1,80}@[^ ]{1,80} instead|user has left|(employee|person|user)[^.;]{0,40} (has left|no longer (works|with|employed)|left the (company|organi))
        ist (nach|zu) .{0,60} (umgezogen|gewechselt)|neue (e-?mail-?)?adresse|a chang. d'adresse|nouvelle adresse|ha cambiado (de|su) direcci.n|メールアドレス.{0,8}変更
        """,
    ),
    rule(
        "recipient-domain",
        Reason.HOST_UNKNOWN,
        "Postfix postconf(5) reject_unknown_recipient_domain and smtp(8); Sendmail sysexits EX_NOHOST; Exim dnslookup router; qmail-remote(8); Exchange NDR 5.1.2, 5.4.310; RFC 3463 X.1.2",
        r"""
        recipient address rejected: (unknown |)(domain|host)( name)? not found|recipient( address)? rejected: [^ ]{0,80} ?unknown (domain|host)|host (or domain name )?unknown|unknown (mail )?(host|domain|server|destination domain)|(no such|illegal|invalid|bad|nonexist[ae]nt|non-exist[ae]nt|incorrect) (host|domain|hostname|destination (host|domain)|mail domain)\b|unrouteable (mail )?domain
        (host|domain)( name)?( [^ ]{1,80})? (was |is |could |can )?(not|n't) (be )?(found|exist|resolve|resolved|valid|known|registered)\b|(domain|host)( name)? [^ ]{0,80} ?(does not|doesn't|do not) (exist|resolve|appear to exist)|(name service error|nxdomain)|name or service not known|nodename nor servname|could not resolve host
        host or domain name not found\. name service error for name=[^ ]{1,100} type=(a|aaaa|mx|a{1,4}): host (not found|found but no data)|domain (name )?not found|bad destination system|couldn'?t find (any |a )?(host|domain|mail exchange|mx|record)|can(no|')?t find (any |a )?(host|domain|mail exchange)|no (mx|a|address|valid mx|valid|dns|mail server|mail exchanger)s?( or a| or mx)?( record)?s? (for|found|exist|in dns|associated)|no mail exchanger|no dns (entries|records?|information)|all relevant mx records point to non-?existent|mx (host )?lookup (had )?no (relevant|record)|dns domain [^ ]{1,100} does not exist|server name [^ ]{0,60} does not exist|host lookup (did not complete|failed)$
        (domain|recipient'?s? domain|destination) (is |has |name )?(invalid|not valid|expired|does not exist|doesn't exist|no longer|unknown|unregistered|is not a valid)|invalid (domain|host)|(dns|mx) (lookup )?(error|fail\w+): (domain|no such)|no such (host|domain)|there is no host|dns type '?mx'? lookup[^.;]{0,60}(responded|nxdomain)|domain (could|can) ?not be (found|resolved)|unable to find (the )?(recipient'?s? )?(domain|host)|address has no mail exchanger|destination (server|domain|host) not found|wasn't able to find|non existent domain|no route found to domain
        domain( |ä|name)?.{0,30} (nicht gefunden|existiert nicht|unbekannt)|(rechner|host|server)(name)? (nicht gefunden|unbekannt)|domaine .{0,40}(inconnu|introuvable|n'existe pas)|(dominio|host) .{0,40}(desconocido|no existe|no encontrado|inesistente|sconosciuto|n.o existe)|домен.{0,30}(не (найден|существует)|неизвест)|ドメイン.{0,20}(見つかり|存在し)|ホスト.{0,12}見つか|域名.{0,10}(不存在|错误|无法)|找不到.{0,6}(域|主机)
        """,
    ),
    rule(
        "recipient",
        Reason.USER_UNKNOWN,
        "RFC 3463 X.1.1; Postfix virtual(5) and local(8), Sendmail, Exim, qmail, Courier, Cyrus, Dovecot LMTP replies; Gmail 5.1.1; Yahoo 552 1; Outlook S2017062302, 5.4.1; Exchange NDR 5.1.1, 5.1.10; Domino X-Notes",
        r"""
        (user|recipient|account|mailbox|mail ?box|alias|addressee|address|customer|e-?mail|id|name|subscriber|destination|login|local part|mail address|userid|username|screen ?name)( name| address| account| id)?( is| was| are| could| can| has| been| does| do| did| currently| listed| of| for)*( |: ?)(an |a )?(unknown|not found|not exist|not be found|non-?exist[ae]nt|nonexist[ae]nt|nicht gefunden|invalid|not known|not recogni[sz]ed|not listed|not valid|not registered|not available|not here|not local|not a (valid|local|known|current|registered|member)|no longer (valid|exists?|available|in use|in service|active|here|with)|not defined|undefined|unrecogni[sz]ed|unroutable|unrouteable|undeliverable|not deliverable|deleted|removed|been removed|been deleted|does ?not ?exist|no such|incorrect|mistyped|ambiguous|doesn't exist|isn't|rejected: user unknown|not in)\b
        no such (user|recipient|mailbox|mail ?box|address|account|person|local|alias|customer|e-?mail|id|member|name|subscriber|dest|object|virtual|login|here|luser)|(no|not a?|isn't a|non) (known |valid |such |local |registered |existing |known |active )(user|recipient|mailbox|mail ?box|address|account|alias|customer|e-?mail|name|member)\b|no valid (recipient|cert|recip|address|host)|nosuchuser
        (unknown|invalid|illegal|bad|non-?existent|nonexistent|nonexistant|incorrect|unrecogni[sz]ed|unrouteable|unroutable|undeliverable|undefined|no) (user|recipient|local|or illegal|mail ?box|mailbox|account|alias|address|addressee|e-?mail|virtual|rcpt|customer|to:?|destination (mail|address|user)|dest|login|account|name|userid|username|screen ?name|final delivery|local[- ]part|person|subscriber|id\b|member)
        (recipient|user|account|address|email account|mailbox|alias|person|e-?mail|name)[^.;:]{0,100} (does not|doesn't|did not|didn't|do not|don't|does'nt|dose not) (exist|have a|appear|match|seem|belong|reside|live|have an)|(user|recipient|customer|account) doesn't have|doesn't have an? [^ ]{1,40} account|does not have an? (account|mailbox|[^ ]{1,40} account)|does not exist (here|on|at|in|anymore|any more)|doesn't exist (here|on|at|in)|address does not exist
        no mail ?box (here|by|found|for|with|currently|named|exists)|mail ?box (not found|unknown|does not exist|unavailable or|invalid|not exist)|no (such )?(account|user|person|one|body) (by|with|at|here|named|of|called|found|on|in|exists)|there is no (such )?(user|mailbox|account|address|one|person|recipient)|we don't handle mail for|do(es)? not handle mail for|(couldn't|could not|can't|cannot|unable to|didn't|did not) (find|locate|look ?up|recogni[sz]e|identify|determine|resolve) (a |an |any |the |this |that |your |recipient|user|mailbox|account|address|customer|alias|destination|valid)*(user|recipient|mailbox|account|address|alias|destination mailbox|mail ?box|person|customer|name)\b
        unrouteable address|unroutable address|recip(ient)?notfound|recipient ?not ?found|adr\.(ex)?recip|undeliverable address|not our customer|not a customer|bad destination mailbox|destination mailbox address|requested action not taken: mailbox unavailable \(s|mailbox unavailable or access denied|mailbox not available|recipient address rejected: access denied|recipient not accepted|recipient unknown|rcpt to.{0,80}(unknown|invalid)|userunknown|unknownuser|user unknown|5\.1\.1 .{0,100}\.\.\. user unknown|550 unknown|unknown user|badrcptto|bad_rcpt_to|can't create mailbox|not listed in (public |domino |the )?(name|address|directory|domino)|user .{1,80} not listed|unable to deliver to <
        recipient (rejected|denied|refused|is not accepted|not accepted|address rejected)( here)?\.?$|address rejected\.?$|(recipient|e-?mail|mail|user|mailbox) (address )?(was |is )?(not|no) (longer )?(valid|found|exist|recognized|in use|on (this|our) (server|system|host))|no longer (on|at|in) (this|our|the) (server|system|host|company|address)|(can't|cannot|could not|couldn't|unable to) (verify|deliver to|accept) (this |the |that )?(recipient|user|mailbox|address)( .{0,60})?$|(verify|verification|check).{0,30} recipient.{0,30} fail|recipient (verify|verification) (fail|failed)|user not (exist|found)|not found\.? recipient|delivery to (this|that|the) (address|recipient|user) (is )?(impossible|not possible)|dd this user|dest(ination)? address (unknown|invalid)|account that you tried to reach does not|tried to reach does not exist|not a valid mailbox|isn't a valid|unlisted recipient|email address (you entered )?(could not|couldn't|wasn't|was not|isn't)|the address (you sent|does|was|is) .{0,30}(invalid|wrong|incorrect|not)|aliases? .{0,50}(unknown|not exist)|directory (lookup|entry).{0,20}(not found|no match)|ldap.{0,30}no such|mailbox .{0,80} doesn't exist|unknown mailbox|unable to validate recipient|recipient.{0,20} does ?not ?match|not known at this site|nicht vorhanden|user\[.{0,60}\] not found|invalid mailbox|no longer (accepts|receives|uses)|mailbox name not allowed|(user|address|recipient|mailbox) (has |have )?(is |was |been )?(terminated|deleted|removed|withdrawn|discarded)
        (empf(ä|ae?)nger\w*|benutzer\w*|adresse|mailbox|postfach|konto|e-?mail-?adresse|adressat)[^.;]{0,60} (unbekannt|nicht gefunden|existiert nicht|ungültig|ungueltig|nicht bekannt|gibt es nicht|nicht vorhanden|nicht existiert|nicht erkannt|wurde nicht)|(unbekannte|ungültige|falsche)r? (empf|benutzer|adresse|e-?mail)|kein(en)? (solcher|solches|gültige[rs]?) (benutzer|empf|postfach)|diese adresse .{0,40}(nicht|kein)|existiert nicht|nicht gefunden werden
        (destinataire|utilisateur|adresse|bo.te|compte|usager|abonn.)[^.;]{0,80} (inconnue?|introuvable|n'existe pas|invalide|non trouv|n'est pas (reconnu|valide|valable)|inexistante?|n'a pas .t. trouv|erron)|n'existe pas|adresse d.?au moins un destinataire invalide|(usuario|destinatario|cuenta|buz.n|direcci.n|casilla)[^.;]{0,60} (desconocid[oa]|no existe|inexistente|no encontrad[oa]|inv.lid[oa]|no (se|fue|ha sido) (encontr|pud)|incorrect)|no existe (el |la )?(usuario|buz.n|cuenta|destinatario)|(utente|destinatario|casella|indirizzo)[^.;]{0,50} (sconosciut|inesistente|non esiste|non trovat|non valid|non disponibile)|(usu.rio|destinat.rio|conta|endere.o)[^.;]{0,50} (desconhecid|n.o existe|inexistente|n.o encontrad|inv.lid)
        (пользовател|получател|ящик|адрес|аккаунт)\S{0,6}[^.;]{0,60} (не (найден|существу|зарегистр|обнаружен|известен)|неизвест|отсутству|неверн|недействит|удален)|(нет|не существует) так\w+ (пользоват|ящик|адрес|получат)|недоступен: пользователь не|(użytkownik|adresat|odbiorca|skrzynka|konto|adres)[^.;]{0,40} (nieznany|nie istnieje|nie znalezion|nieprawidł)|(uživatel|adresát|schránka)[^.;]{0,30} (neexist|nenalezen|neznám)|(gebruiker|geadresseerde|postvak|adres)[^.;]{0,40} (onbekend|bestaat niet|niet gevonden)|(mottagar|användar|adress|modtager|bruger)\w*[^.;]{0,40} (finns inte|okänd|hittades inte|findes ikke|ukendt|ikke fundet)|vastaanottaja\w*[^.;]{0,30} (ei|tuntematon)|(kullanıcı|alıcı|adres)[^.;]{0,30} (bulunamadı|bilinmiyor|geçersiz|yok)|címzett[^.;]{0,20} (ismeretlen|nem)
        (宛先|ユーザー?|メールアドレス|受信者|アドレス|利用者|送信先|あて先)[^。]{0,24}(見つかり|存在し|不明|間違|誤|ありません|無効|見つから|該当)|存在しない(ユーザ|メール|アドレス|宛先)|該当する(ユーザ|アドレス|メール)|お届けできません|(收件人|用户|邮箱|地址|帐号|账号|收件者|使用者|郵件|邮件地址|信箱|帳號)[^。]{0,16}(不存在|未找到|找不到|无效|有误|错误|不正确|無效|不明|未知|无法找到|未註冊|未注册)|找不到.{0,6}(收件|用户|邮箱|地址)|不存在.{0,4}(用户|邮箱|的邮)|무효한|(수신자|사용자|받는 ?사람|메일 ?주소|계정)[^.]{0,16}(없|찾을 수|존재하지|잘못)|المستلم|(נמען|משתמש).{0,16}(לא|אינ)
        """,
    ),
)
