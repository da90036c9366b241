BEGIN TRANSACTION;
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-d616d13d33112993c599693ef6971b68','1286f4dd85c5f006','[["user","a red fox"]]');
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-d616d13d33112993c599693ef6971b68',1,'picture','{"index":0,"name":"bbe334eec42a1ffbacd4b8d4d5deb5dd.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-d616d13d33112993c599693ef6971b68',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-45f4a81d8bffceab214b8175523b82f9',1,'picture','{"index":0,"name":"4aa2bf25a91d8c0f6e5eb332dd553d65.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-45f4a81d8bffceab214b8175523b82f9',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-511b358bd0c89ae6db11c3f1c0cd0555',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-d616d13d33112993c599693ef6971b68','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:37039/"}}',1.79583192761318373681e+09,'completed','e0df18cbc24bd027','task_1',1.79583192761856389046e+09,1,1.79583192785462164879e+09,'[{"url":"http://127.0.0.1:44581/media/task_1.gif","width":null,"height":null}]');
INSERT INTO "generations" VALUES(2,'chatcmpl-45f4a81d8bffceab214b8175523b82f9','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"9831fa9dc7f8da335891088fffe5dee0.gif","include_usage":false,"metadata":{}}',1.7958319279400935173e+09,'completed','e0df18cbc24bd027','task_2',1.79583192794930148125e+09,1,1.79583192806025648121e+09,'[{"url":"http://127.0.0.1:44581/media/task_2.gif","width":null,"height":null}]');
INSERT INTO "generations" VALUES(3,'chatcmpl-511b358bd0c89ae6db11c3f1c0cd0555','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583192807943606379e+09,'failed','e0df18cbc24bd027',NULL,1.79583192808129644395e+09,1,NULL,'[]');
INSERT INTO "generations" VALUES(4,'chatcmpl-3d4db1b74340693046abf70a6009bdcc','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583192810790371893e+09,'running','e0df18cbc24bd027','task_3',1.79583192811006498333e+09,1,NULL,'[]');
INSERT INTO "generations" VALUES(5,'chatcmpl-3da2cb846d9aa8a6b9874530d662dd1a','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583192813593268393e+09,'submitting','e0df18cbc24bd027',NULL,1.7958319281378042698e+09,1,NULL,'[]');
INSERT INTO "generations" VALUES(6,'chatcmpl-81d43b514a42a992d2e54acb3c84d8c9','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"ff8f8617383a86285d9aafe97297a911.gif","include_usage":false,"metadata":{}}',1.79583192817131543162e+09,'queued',NULL,NULL,NULL,0,NULL,'[]');
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('bbe334eec42a1ffbacd4b8d4d5deb5dd.gif','chatcmpl-d616d13d33112993c599693ef6971b68');
INSERT INTO "pictures" VALUES('4aa2bf25a91d8c0f6e5eb332dd553d65.gif','chatcmpl-45f4a81d8bffceab214b8175523b82f9');
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
COMMIT;
PRAGMA user_version = 1;
