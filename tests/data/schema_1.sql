BEGIN TRANSACTION;
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000001',1,'queued','{"position":1,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000002',1,'queued','{"position":1,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000003',1,'queued','{"position":1,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000004',1,'queued','{"position":1,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000004',2,'progress','{"percent":50,"position":null,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000004',3,'picture','{"index":0,"name":"00000000000000000000000000000001.png","url":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000004',4,'completed','{}');
CREATE TABLE generations (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	spec JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	status TEXT NOT NULL, 
	key_id TEXT, 
	task_id TEXT, 
	intent_at FLOAT, 
	attempts INTEGER NOT NULL, 
	upstream_done_at FLOAT, 
	assets JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-00000000000000000000000000000001','0123456789abcdef','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null}',1700000001.0,'queued',NULL,NULL,NULL,0,NULL,'[]');
INSERT INTO "generations" VALUES(2,'chatcmpl-00000000000000000000000000000002','0123456789abcdef','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null}',1700000002.0,'submitting','key',NULL,1700000001.0,1,NULL,'[]');
INSERT INTO "generations" VALUES(3,'chatcmpl-00000000000000000000000000000003','0123456789abcdef','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null}',1700000003.0,'running','key','task_1',1700000001.0,1,NULL,'[]');
INSERT INTO "generations" VALUES(4,'chatcmpl-00000000000000000000000000000004','0123456789abcdef','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null}',1700000004.0,'completed','key','task_2',1700000001.0,1,1700000009.0,'[{"url":"https://example.com/1.png","width":720,"height":480}]');
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('00000000000000000000000000000001.png','chatcmpl-00000000000000000000000000000004');
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
COMMIT;
PRAGMA user_version = 1;
