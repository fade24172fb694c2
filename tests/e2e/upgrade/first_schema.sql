-- A database of the first schema, as the last code that had it left it: a stop that succeeded, one that was approved and not
-- sent, and one that was held. Made by `sqlite3.Connection.iterdump`.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audit (
	seq BIGINT NOT NULL, 
	at DOUBLE NOT NULL, 
	event VARCHAR(40) NOT NULL, 
	change_id VARCHAR(40), 
	record TEXT NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "audit" VALUES(1,1.79548558090646910665e+09,'requested','chg_6db738d94285','{"actor":{"human":"U1","id":"U1","kind":"person","name":"ann"},"arguments":{"server":"4bad4c64-5d0e-45f5-b55f-db5565f7dc0f"},"at":1795485580.906469,"change":"chg_6db738d94285","channel":"","cost":"","decision":"allow","digest":"3d5ad194a482fc665eecc15aafbcf4958942ca8bafa8e8d1a0e7c18bd3eea932","event":"requested","operation":"stop","origin":"cli","policy":"pol_b78d471f","reason":"","rules":["all"],"seq":1,"target":{"hostname":"ended.example.com","id":"4bad4c64-5d0e-45f5-b55f-db5565f7dc0f","state":"running"}}','0000000000000000000000000000000000000000000000000000000000000000','2f70779502aa2d5bee6b5bb329d12ffb6a8b2dec639d03bad977ef13e3e47cc3');
INSERT INTO "audit" VALUES(2,1.79548558389486193663e+09,'sending','chg_6db738d94285','{"arguments":{"server":"4bad4c64-5d0e-45f5-b55f-db5565f7dc0f"},"at":1795485583.894862,"change":"chg_6db738d94285","digest":"3d5ad194a482fc665eecc15aafbcf4958942ca8bafa8e8d1a0e7c18bd3eea932","event":"sending","operation":"stop","seq":2,"state":"sending"}','2f70779502aa2d5bee6b5bb329d12ffb6a8b2dec639d03bad977ef13e3e47cc3','849467a61cf189fac1b3737abc7e9f88d442562a054af44554a1095547705856');
INSERT INTO "audit" VALUES(3,1.79548558393066501619e+09,'sent','chg_6db738d94285','{"answer":{"ok":true},"at":1795485583.930665,"change":"chg_6db738d94285","event":"sent","seq":3,"state":"watching"}','849467a61cf189fac1b3737abc7e9f88d442562a054af44554a1095547705856','e23c3dc38a7d192f7b0c1567c74001a19c728107936ce26ff81a3ddcbed861a2');
INSERT INTO "audit" VALUES(4,1.79548558396121501925e+09,'succeeded','chg_6db738d94285','{"at":1795485583.961215,"change":"chg_6db738d94285","event":"succeeded","note":"","seq":4,"server":"4bad4c64-5d0e-45f5-b55f-db5565f7dc0f","state":"succeeded","status":"stopped"}','e23c3dc38a7d192f7b0c1567c74001a19c728107936ce26ff81a3ddcbed861a2','9bb4f42ef457080b1223c3ce8f74cc080065803f958a091e678956603816d0aa');
INSERT INTO "audit" VALUES(5,1.7954855853086380958e+09,'requested','chg_21d237cafa2c','{"actor":{"human":"U1","id":"U1","kind":"person","name":"ann"},"arguments":{"server":"d4850cef-89ce-42b2-98c3-bb70bb365975"},"at":1795485585.308638,"change":"chg_21d237cafa2c","channel":"","cost":"","decision":"allow","digest":"6a0c51c45e0fb5e6986b642e89b4ea1534d36ecfa9d972014946fd4f717d1403","event":"requested","operation":"stop","origin":"cli","policy":"pol_b78d471f","reason":"","rules":["all"],"seq":5,"target":{"hostname":"approved.example.com","id":"d4850cef-89ce-42b2-98c3-bb70bb365975","state":"running"}}','9bb4f42ef457080b1223c3ce8f74cc080065803f958a091e678956603816d0aa','9b32114883e0edb32ae26b851d8ce63354d38d208a93587bd871b513ace2705e');
INSERT INTO "audit" VALUES(6,1.79548558660806488991e+09,'requested','chg_1fb42b3b044d','{"actor":{"human":"U1","id":"U1","kind":"person","name":"ann"},"arguments":{"server":"d769096d-6ef4-46e2-91cd-8d6b4aef3bd4"},"at":1795485586.608065,"change":"chg_1fb42b3b044d","channel":"","cost":"","decision":"confirm","digest":"25f8c3c42608a619ea843055dc28276bcf12dd56c66bc2b4de959c9f698ba0a0","event":"requested","operation":"stop","origin":"cli","policy":"pol_b78d471f","reason":"","rules":["asked","all"],"seq":6,"target":{"hostname":"held.example.com","id":"d769096d-6ef4-46e2-91cd-8d6b4aef3bd4","state":"running"}}','9b32114883e0edb32ae26b851d8ce63354d38d208a93587bd871b513ace2705e','6ec841d800bb6abc00d207db4ac502db956f33d8840c3dc8b9d19fe7648a7b2c');
CREATE TABLE audit_head (
	id INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "audit_head" VALUES(1,6,'6ec841d800bb6abc00d207db4ac502db956f33d8840c3dc8b9d19fe7648a7b2c');
CREATE TABLE changes (
	id VARCHAR(40) NOT NULL, 
	version INTEGER NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	operation VARCHAR(40) NOT NULL, 
	"key" VARCHAR(255), 
	lock VARCHAR(300), 
	arguments JSON NOT NULL, 
	target JSON NOT NULL, 
	actor JSON NOT NULL, 
	actor_id VARCHAR(200) NOT NULL, 
	origin JSON NOT NULL, 
	reason TEXT NOT NULL, 
	ruling JSON NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	cost TEXT NOT NULL, 
	effect TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	updated_at DOUBLE NOT NULL, 
	expires_at DOUBLE, 
	remind_at DOUBLE, 
	sent_at DOUBLE, 
	settled_at DOUBLE, 
	result JSON NOT NULL, 
	note TEXT NOT NULL, 
	overdue BOOLEAN NOT NULL, 
	last_uptime BIGINT, 
	owner VARCHAR(80), 
	sends INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE ("key"), 
	UNIQUE (lock)
);
INSERT INTO "changes" VALUES('chg_6db738d94285',5,'succeeded','stop',NULL,NULL,'{"server": "4bad4c64-5d0e-45f5-b55f-db5565f7dc0f"}','{"id": "4bad4c64-5d0e-45f5-b55f-db5565f7dc0f", "hostname": "ended.example.com", "state": "running", "region": "oslo", "address": "198.18.0.3", "plan": "vps-4gb-2cpu"}','{"kind": "person", "id": "U1", "name": "ann", "human": "U1", "aliases": [], "groups": []}','U1','{"front": "cli", "team": "", "channel": "", "thread": ""}','','{"decision": "allow", "rules": ["all"], "votes": 0, "approvers": {"groups": [], "people": [], "channels": []}, "reason": "", "policy": "pol_b78d471f", "requirements": [], "expires": 0.0}','3d5ad194a482fc665eecc15aafbcf4958942ca8bafa8e8d1a0e7c18bd3eea932','','The server shuts down and stays down until it is started. A stopped server still costs its storage.',1.79548558090646910665e+09,1.79548558396121501925e+09,NULL,NULL,1.79548558389486193663e+09,1.79548558396121501925e+09,'{"ok": true, "id": "4bad4c64-5d0e-45f5-b55f-db5565f7dc0f", "hostname": "ended.example.com", "display_name": "ended.example.com", "status": "stopped", "power_state": "off", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "debian-12", "ipv4": "198.18.0.3", "ipv6": "2001:db8:0:3::1", "vcpus": 2, "memory_gb": 4.0, "disk_gb": 80.0, "monthly_price": 199.0, "currency": "NOK", "created_at": "2026-11-30T01:59:39Z"}','',0,NULL,NULL,1);
INSERT INTO "changes" VALUES('chg_21d237cafa2c',1,'approved','stop',NULL,'server:d4850cef-89ce-42b2-98c3-bb70bb365975','{"server": "d4850cef-89ce-42b2-98c3-bb70bb365975"}','{"id": "d4850cef-89ce-42b2-98c3-bb70bb365975", "hostname": "approved.example.com", "state": "running", "region": "oslo", "address": "198.18.0.4", "plan": "vps-4gb-2cpu"}','{"kind": "person", "id": "U1", "name": "ann", "human": "U1", "aliases": [], "groups": []}','U1','{"front": "cli", "team": "", "channel": "", "thread": ""}','','{"decision": "allow", "rules": ["all"], "votes": 0, "approvers": {"groups": [], "people": [], "channels": []}, "reason": "", "policy": "pol_b78d471f", "requirements": [], "expires": 0.0}','6a0c51c45e0fb5e6986b642e89b4ea1534d36ecfa9d972014946fd4f717d1403','','The server shuts down and stays down until it is started. A stopped server still costs its storage.',1.7954855853086380958e+09,1.7954855853086380958e+09,NULL,NULL,NULL,NULL,'{}','',0,NULL,NULL,0);
INSERT INTO "changes" VALUES('chg_1fb42b3b044d',1,'held','stop',NULL,'server:d769096d-6ef4-46e2-91cd-8d6b4aef3bd4','{"server": "d769096d-6ef4-46e2-91cd-8d6b4aef3bd4"}','{"id": "d769096d-6ef4-46e2-91cd-8d6b4aef3bd4", "hostname": "held.example.com", "state": "running", "region": "oslo", "address": "198.18.0.5", "plan": "vps-4gb-2cpu"}','{"kind": "person", "id": "U1", "name": "ann", "human": "U1", "aliases": [], "groups": []}','U1','{"front": "cli", "team": "", "channel": "", "thread": ""}','','{"decision": "confirm", "rules": ["asked", "all"], "votes": 0, "approvers": {"groups": [], "people": [], "channels": []}, "reason": "", "policy": "pol_b78d471f", "requirements": [], "expires": 0.0}','25f8c3c42608a619ea843055dc28276bcf12dd56c66bc2b4de959c9f698ba0a0','','The server shuts down and stays down until it is started. A stopped server still costs its storage.',1.79548558660806488991e+09,1.79548558660806488991e+09,1.7954864866080648899e+09,NULL,NULL,NULL,'{}','',0,NULL,NULL,0);
CREATE TABLE copies (
	topic VARCHAR(80) NOT NULL, 
	channel VARCHAR(40) NOT NULL, 
	ts VARCHAR(40) NOT NULL, 
	purpose VARCHAR(40) NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (topic, channel, ts)
);
CREATE TABLE inbox (
	"key" VARCHAR(255) NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	payload JSON NOT NULL, 
	received_at DOUBLE NOT NULL, 
	done_at DOUBLE, 
	PRIMARY KEY ("key")
);
CREATE TABLE leases (
	name VARCHAR(40) NOT NULL, 
	owner VARCHAR(80) NOT NULL, 
	until DOUBLE NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "leases" VALUES('held off','',0.0);
INSERT INTO "leases" VALUES('pace','',4588.408902742);
CREATE TABLE outbox (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	topic VARCHAR(80) NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	payload JSON NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	not_before DOUBLE NOT NULL, 
	attempts INTEGER NOT NULL, 
	owner VARCHAR(80), 
	until DOUBLE, 
	error TEXT NOT NULL
);
INSERT INTO "outbox" VALUES(1,'change:chg_6db738d94285','card','{"change": "chg_6db738d94285"}','waiting',1.79548558090646910665e+09,0.0,0,NULL,NULL,'');
INSERT INTO "outbox" VALUES(2,'change:chg_6db738d94285','card','{"change": "chg_6db738d94285"}','waiting',1.79548558389486193663e+09,0.0,0,NULL,NULL,'');
INSERT INTO "outbox" VALUES(3,'change:chg_6db738d94285','card','{"change": "chg_6db738d94285"}','waiting',1.79548558393066501619e+09,0.0,0,NULL,NULL,'');
INSERT INTO "outbox" VALUES(4,'change:chg_6db738d94285','notice','{"change": "chg_6db738d94285", "event": "succeeded"}','waiting',1.79548558396121501925e+09,0.0,0,NULL,NULL,'');
INSERT INTO "outbox" VALUES(5,'change:chg_6db738d94285','card','{"change": "chg_6db738d94285"}','waiting',1.79548558396121501925e+09,0.0,0,NULL,NULL,'');
INSERT INTO "outbox" VALUES(6,'change:chg_21d237cafa2c','card','{"change": "chg_21d237cafa2c"}','waiting',1.7954855853086380958e+09,0.0,0,NULL,NULL,'');
INSERT INTO "outbox" VALUES(7,'change:chg_1fb42b3b044d','card','{"change": "chg_1fb42b3b044d"}','waiting',1.79548558660806488991e+09,0.0,0,NULL,NULL,'');
CREATE TABLE processes (
	id VARCHAR(80) NOT NULL, 
	front VARCHAR(20) NOT NULL, 
	started_at DOUBLE NOT NULL, 
	beat DOUBLE NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE votes (
	change_id VARCHAR(40) NOT NULL, 
	voter_id VARCHAR(200) NOT NULL, 
	voter JSON NOT NULL, 
	verdict VARCHAR(10) NOT NULL, 
	reason TEXT NOT NULL, 
	evidence TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (change_id, voter_id), 
	FOREIGN KEY(change_id) REFERENCES changes (id)
);
CREATE INDEX changes_by_state ON changes (state, expires_at);
CREATE INDEX changes_by_age ON changes (created_at);
CREATE INDEX changes_by_actor ON changes (actor_id, created_at);
CREATE INDEX audit_by_change ON audit (change_id);
CREATE INDEX outbox_by_state ON outbox (state, not_before);
CREATE INDEX inbox_by_age ON inbox (done_at, received_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',7);
COMMIT;
