// Sends messages through mailgun.js with only the base URL changed, and prints the answers as JSON.
// With the storage key of a message it reads that one and sends it again instead.
// usage: node send.js BASE_URL KEY DOMAIN [STORAGE_KEY]
const formData = require('form-data');
const Mailgun = require('mailgun.js');

const [url, key, domain, storageKey] = process.argv.slice(2);
const made = (password) =>
  new (Mailgun.default ?? Mailgun)(formData).client({ username: 'api', key: password, url });
const client = made(key);
const from = `News <news@${domain}>`;
const to = ['ann@example.net', 'bob@example.net'];
const mime = (subject) => `From: ${from}\r\nTo: ann@example.net\r\nSubject: ${subject}\r\n\r\nHello\r\n`;

const attempt = async (work) => {
  try {
    return await work;
  } catch (error) {
    return { status: error.status, message: error.message, details: error.details };
  }
};
const send = (fields) => attempt(client.messages.create(domain, { from, ...fields }));

const sends = async () => {
  const answers = {};
  answers.text = await send({ to, subject: 'text', text: 'Hello', 'o:tag': ['one', 'two'] });
  answers.html = await send({
    to: to[0], subject: 'html', html: '<p>Hällo', 'o:tracking': 'yes', 'v:order': '17', 'h:X-A': '1',
  });
  answers.files = await send({
    to: to[0],
    subject: 'files',
    text: 'Hello',
    attachment: [{ filename: 'a.txt', data: Buffer.from('Hello') }],
    inline: { filename: 'b.png', data: Buffer.from('PNG'), contentType: 'image/png' },
  });
  answers.batch = await send({
    to,
    subject: 'batch',
    text: 'Hello %recipient.id%',
    'recipient-variables': JSON.stringify({ [to[0]]: { id: 1 }, [to[1]]: { id: 2 } }),
  });
  answers.mime = await send({ to: to[0], message: mime('Mime') });
  answers.mimeFile = await send({ to: to[0], message: Buffer.from(mime('MimeFile')) });
  answers.wrong = await send({ subject: 'wrong', text: 'Hello' });
  answers.forbidden = await attempt(made('nobody').messages.create(domain, { from, to, text: 'x' }));
  return answers;
};

const reads = async () => ({
  stored: await attempt(client.messages.retrieveStoredEmail(domain, storageKey)),
  resent: await attempt(client.messages.resendEmail(domain, storageKey, 'cyd@example.net, dan@example.net')),
  missing: await attempt(client.messages.retrieveStoredEmail(domain, 'nothing')),
  queues: await attempt(client.messages.getMessagesQueueStatus(domain)),
});

(storageKey ? reads() : sends()).then((answers) => process.stdout.write(JSON.stringify(answers)));
