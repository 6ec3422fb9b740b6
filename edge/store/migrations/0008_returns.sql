-- What came back: bounces and complaints that were acted upon, each once, and what nobody could
-- read.

-- A report without our return path names the message by its id.
CREATE INDEX messages_message_id ON messages (message_id);

-- One row for each thing that came back: "key" is a digest of the delivery and of what is said of
-- it, so that the same report, a thousand times over, is one. "counts" says whether it is of those
-- whose run suppresses an address.
CREATE TABLE returns (
    key bytea PRIMARY KEY,
    domain integer NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    counts boolean NOT NULL,
    at timestamptz NOT NULL,
    event_id bytea NOT NULL,
    seen integer NOT NULL DEFAULT 1
);
CREATE INDEX returns_runs ON returns (domain, recipient, at) WHERE counts;
CREATE INDEX returns_at ON returns USING brin (at);

-- Mail that came back and led to nothing, with the reason; never deleted by itself. "source" is cut
-- off after its first 128 KiB. Texts of it compress, so they are stored as any other.
CREATE TABLE unparsed_returns (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    seen integer NOT NULL DEFAULT 1,
    domain integer,
    way text NOT NULL,
    why text NOT NULL,
    kind text NOT NULL,
    sender text NOT NULL,
    subject text NOT NULL,
    envelope text NOT NULL,
    octets integer NOT NULL,
    source bytea NOT NULL
);
CREATE INDEX unparsed_returns_domain ON unparsed_returns (domain, number);
