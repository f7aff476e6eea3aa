-- A queue as SAMS left it when its tables had version 1. It stays as it is: each later version has to open it.
PRAGMA page_size=4096;
BEGIN TRANSACTION;
CREATE TABLE content(
    message INTEGER PRIMARY KEY,
    head_sum INTEGER NOT NULL,
    body_sum INTEGER NOT NULL,
    body_size INTEGER NOT NULL,
    head BLOB NOT NULL,
    body BLOB
) STRICT;
INSERT INTO content VALUES(500380467200000001,509995990,852365245,12,X'46726F6D3A20416E6E203C616E6E406578616D706C652E61632E756B3E0D0A5375626A6563743A2061206D6573736167650D0A0D0A',X'536F6D6520746578742E0D0A');
INSERT INTO content VALUES(500380467200000002,509995990,852365245,12,X'46726F6D3A20416E6E203C616E6E406578616D706C652E61632E756B3E0D0A5375626A6563743A2061206D6573736167650D0A0D0A',X'536F6D6520746578742E0D0A');
CREATE TABLE damaged(
    message INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    found REAL NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE TABLE damaged_content(
  message INT,
  head_sum INT,
  body_sum INT,
  body_size INT,
  head,
  body
);
CREATE TABLE damaged_message(
  id INT,
  shard INT,
  login TEXT,
  session TEXT,
  sender_local TEXT,
  sender_domain TEXT,
  arrived REAL,
  size INT,
  flags INT,
  longest_line INT,
  declared TEXT,
  ret TEXT,
  envid TEXT,
  held INT
);
CREATE TABLE damaged_recipient(
  message INT,
  number INT,
  local TEXT,
  domain TEXT,
  domain_key TEXT,
  notify INT,
  original_kind TEXT,
  original_address TEXT,
  route TEXT,
  due REAL,
  attempts INT,
  "last" TEXT,
  delay_told INT,
  held INT
);
CREATE TABLE failed_shard(
    shard INTEGER PRIMARY KEY,
    failed REAL NOT NULL,
    reason TEXT NOT NULL,
    taken_over INTEGER,
    complete INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE message(
    id INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    login TEXT NOT NULL,
    session TEXT NOT NULL,
    sender_local TEXT,
    sender_domain TEXT,
    arrived REAL NOT NULL,
    size INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    longest_line INTEGER NOT NULL,
    declared TEXT NOT NULL,
    ret TEXT,
    envid TEXT,
    held INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO message VALUES(500380467200000001,0,'ann','SSSSSSSSSSSSSSS','ann','example.ac.uk',1700000000.0,65,0,0,'7BIT',NULL,'tried',0);
INSERT INTO message VALUES(500380467200000002,0,'ann','SSSSSSSSSSSSSSS','ann','example.ac.uk',1700000000.0,65,0,0,'7BIT',NULL,'new',0);
CREATE TABLE recipient(
    message INTEGER NOT NULL,
    number INTEGER NOT NULL,
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    domain_key TEXT NOT NULL,
    notify INTEGER,
    original_kind TEXT,
    original_address TEXT,
    route TEXT NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    last TEXT,
    delay_told INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;
INSERT INTO recipient VALUES(500380467200000001,1,'b','x.org','x.org',NULL,NULL,NULL,'hub',1700000060.0,1,'{"result":"deferred","reply":{"code":451,"lines":["not now","come again"],"status":{"kind":4,"subject":3,"detail":0},"reference":null},"remote":"hub:25","at":1700000000.0,"relayed_to_dsn_aware":false}',0,0);
INSERT INTO recipient VALUES(500380467200000002,0,'c','x.org','x.org',NULL,NULL,NULL,'hub',1700000000.0,0,NULL,0,0);
INSERT INTO recipient VALUES(500380467200000002,1,'d','x.org','x.org',NULL,NULL,NULL,'hub',1700000000.0,0,NULL,0,0);
CREATE INDEX recipient_due ON recipient(route, due, message) WHERE held = 0;
CREATE INDEX recipient_held ON recipient(route) WHERE held = 1;
CREATE TABLE shard_info(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO shard_info VALUES('readable_from',1);
INSERT INTO shard_info VALUES('shard',0);
CREATE TABLE use_of_login(
    hour INTEGER NOT NULL,
    login TEXT NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (hour, login)
) STRICT, WITHOUT ROWID;
INSERT INTO use_of_login VALUES(472222,'ann',4);
pragma user_version=1;
pragma application_id=1396788563;
COMMIT TRANSACTION;
