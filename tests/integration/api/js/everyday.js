// The everyday calls of mailgun.js with only the base URL changed; prints what they gave as JSON.
// usage: node everyday.js BASE_URL KEY DOMAIN PART...
const formData = require('form-data');
const Mailgun = require('mailgun.js');

const [url, key, domain, ...parts] = process.argv.slice(2);
const client = new (Mailgun.default ?? Mailgun)(formData).client({ username: 'api', key, url });
const ann = 'ann@example.net';

const attempt = async (work) => {
  try {
    return await work;
  } catch (error) {
    return { status: error.status, message: error.message, details: error.details };
  }
};

const domains = async () => ({
  made: await client.domains.create({ name: 'js.example.com' }),
  listed: (await client.domains.list()).map((one) => one.name),
  got: await client.domains.get('js.example.com'),
  updated: await client.domains.update('js.example.com', { web_scheme: 'https' }),
  prefix: await client.domains.updateWebPrefix('js.example.com', { webPrefix: 'mail' }),
  authority: await client.domains.updateDKIMAuthority(domain, { self: 'yes' }),
  selector: await client.domains.updateDKIMSelector(domain, { dkimSelector: 'js1' }),
  connection: await client.domains.getConnection(domain),
  connected: await client.domains.updateConnection(domain, { require_tls: true }),
  tracking: await client.domains.domainTracking.getTracking(domain),
  open: await client.domains.domainTracking.updateTracking(domain, 'open', { active: 'yes' }),
  click: await client.domains.domainTracking.updateTracking(domain, 'click', { active: 'htmlonly' }),
  unsubscribe: await client.domains.domainTracking.updateTracking(domain, 'unsubscribe', {
    active: true, html_footer: '<p>Bye', text_footer: 'Bye',
  }),
  login: await client.domains.domainCredentials.create(domain, { login: 'ann', password: 'super_secret' }),
  logins: await client.domains.domainCredentials.list(domain),
  password: await client.domains.domainCredentials.update(domain, 'ann', { password: 'another_one' }),
  logout: await client.domains.domainCredentials.destroy(domain, 'ann'),
  certificate: await attempt(client.domains.domainTracking.get(`email.${domain}`)),
  gone: await client.domains.destroy('js.example.com'),
  missing: await attempt(client.domains.get('js.example.com')),
});

const suppressionsOf = async (kind, one, many) => {
  const { suppressions } = client;
  const found = { made: await suppressions.create(domain, kind, one) };
  found.got = await suppressions.get(domain, kind, ann);
  found.batch = many && await suppressions.create(domain, kind, many);
  found.pages = [];
  let page = await suppressions.list(domain, kind, { limit: 1 });
  while (page.items.length) {
    found.pages.push(...page.items.map((item) => item.address ?? item.value));
    page = await suppressions.list(domain, kind, { limit: 1, page: page.pages.next.page });
  }
  found.removed = await suppressions.destroy(domain, kind, ann);
  found.again = await attempt(suppressions.get(domain, kind, ann));
  found.cleared = await suppressions.destroyAll(domain, kind);
  found.left = (await suppressions.list(domain, kind)).items.length;
  return found;
};

const suppressions = async () => ({
  bounces: await suppressionsOf('bounces', { address: ann, code: 550, error: 'no' }, [
    { address: 'bob@example.net', code: 550 }, { address: 'cyd@example.net' },
  ]),
  complaints: await suppressionsOf('complaints', { address: ann }, [{ address: 'bob@example.net' }]),
  unsubscribes: await suppressionsOf('unsubscribes', { address: ann, tag: 'news' }, [
    { address: 'bob@example.net', tags: ['news'] }, { address: 'cyd@example.net' },
  ]),
  whitelists: await suppressionsOf('whitelists', { address: ann }),
});

const lists = async () => {
  const address = `news@${domain}`;
  const { members } = client.lists;
  const found = { made: await client.lists.create({ address, name: 'News', access_level: 'readonly' }) };
  found.got = await client.lists.get(address);
  found.updated = await client.lists.update(address, { name: 'Newer' });
  found.member = await members.createMember(address, { address: ann, name: 'Ann', vars: '{"n": 1}', subscribed: 'yes' });
  found.members = await members.createMembers(address, {
    members: [{ address: 'bob@example.net', vars: { n: 2 } }, { address: 'cyd@example.net' }], upsert: 'yes',
  });
  found.changed = await members.updateMember(address, ann, { name: 'Anne' });
  found.one = await members.getMember(address, ann);
  found.listed = (await members.listMembers(address, { limit: 2 })).items.map((one) => one.address);
  found.removed = await members.destroyMember(address, ann);
  found.lists = (await client.lists.list()).items.map((one) => one.address);
  found.gone = await client.lists.destroy(address);
  found.missing = await attempt(client.lists.get(address));
  return found;
};

// A newsletter's poller: bounded by time, oldest first, by the page's id with all options again.
const events = async () => {
  const options = {
    limit: 300,
    event: 'delivered OR opened OR failed OR unsubscribed OR complained',
    tags: 'bulk-email AND ghost-email',
    begin: 1,
    end: Date.now() / 1000 + 86400,
    ascending: 'yes',
  };
  const walk = async (asked) => {
    const found = [];
    let page = await client.events.get(domain, asked);
    for (let turn = 0; page.items.length && turn < 50; turn += 1) {
      found.push(...page.items);
      page = await client.events.get(domain, { page: page.pages.next.page, ...asked });
    }
    return found;
  };
  return {
    polled: (await walk(options)).map((one) => ({
      id: one.id,
      type: one.event,
      severity: one.severity,
      recipient: one.recipient,
      timestamp: one.timestamp,
      emailId: one['user-variables']['email-id'],
      providerId: one.message.headers['message-id'],
      status: one['delivery-status'] && one['delivery-status'].code,
    })),
    few: (await walk({ ...options, limit: 2 })).map((one) => one.id),
    links: Object.keys((await client.events.get(domain)).pages).sort(),
    wrong: await attempt(client.events.get(domain, { event: 'opened OR' })),
  };
};

const figures = async () => {
  const { domainTags } = client.domains;
  const span = { start: new Date(Date.now() - 3 * 86400e3), end: new Date(Date.now() + 86400e3) };
  const dated = { start: span.start.toUTCString(), end: span.end.toUTCString() };
  return {
    domain: await client.stats.getDomain(domain, { event: ['accepted', 'opened'], duration: '7d' }),
    account: await client.stats.getAccount({ event: 'opened', ...span }),
    metrics: await client.metrics.getAccount({
      ...dated,
      resolution: 'day',
      dimensions: ['tag'],
      metrics: ['opened_count', 'opened_rate'],
      include_aggregates: true,
    }),
    usage: await client.metrics.getAccountUsage({
      ...dated, dimensions: ['time'], metrics: ['email_validation_count'],
    }),
    logs: await client.logs.list({ ...span, events: ['opened'], pagination: { sort: 'timestamp:asc', limit: 10 } }),
    tags: await domainTags.list(domain),
    tag: await domainTags.get(domain, 'news'),
    described: await domainTags.update(domain, 'news', 'What is new'),
    statistic: await domainTags.statistic(domain, 'news', { event: 'opened' }),
    countries: await domainTags.countries(domain, 'news'),
    providers: await domainTags.providers(domain, 'news'),
    devices: await domainTags.devices(domain, 'news'),
    accountTags: await client.tags.list({ pagination: { sort: 'lastseen:desc', limit: 10 } }),
    limits: await client.tags.limits(),
    renamed: await client.tags.update('news', 'Newer'),
    gone: await client.tags.destroy('news'),
    again: await attempt(client.tags.destroy('nothing')),
  };
};

const webhooks = async () => {
  const [a, b] = ['https://hooks.example.com/a', 'https://hooks.example.com/b'];
  const found = { made: await client.webhooks.create(domain, 'clicked', a) };
  found.taken = await attempt(client.webhooks.create(domain, 'clicked', a));
  found.updated = await client.webhooks.update(domain, 'clicked', [a, b]);
  found.got = await client.webhooks.get(domain, 'clicked');
  found.listed = await client.webhooks.list(domain, {});
  found.gone = await client.webhooks.destroy(domain, 'clicked');
  found.missing = await attempt(client.webhooks.get(domain, 'clicked'));
  return found;
};

const all = { domains, suppressions, lists, events, figures, webhooks };
(async () => {
  const found = {};
  for (const part of parts) found[part] = await all[part]();
  process.stdout.write(JSON.stringify(found));
})().catch((error) => {
  process.stderr.write(`${error.stack}\n${JSON.stringify(error)}\n`);
  process.exit(1);
});
