BEGIN TRANSACTION;
CREATE TABLE audit (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	who TEXT NOT NULL, 
	address TEXT, 
	action TEXT NOT NULL, 
	target TEXT NOT NULL, 
	changes JSON NOT NULL
);
INSERT INTO "audit" VALUES(1,1.79583199604028725623e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1.0],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true],"headers":[null,{}]}');
INSERT INTO "audit" VALUES(2,1.79583199606281757355e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583199606658363341e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false],"headers":[null,{}]}');
INSERT INTO "audit" VALUES(4,1.79583199607046532634e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-e521529e1043b5d8c62174a9eaf1a1bd','1286f4dd85c5f006','[["user","a red fox"]]');
CREATE TABLE discarded_pictures (
	name TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-e521529e1043b5d8c62174a9eaf1a1bd',1,'picture','{"index":0,"name":"a418c8c797957b0d65454845761d9002.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-e521529e1043b5d8c62174a9eaf1a1bd',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-a1d0a01960629c5eb2a3ad89f0c7c86d',1,'picture','{"index":0,"name":"974ded0c312f6d346409bb500e76d930.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-a1d0a01960629c5eb2a3ad89f0c7c86d',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-aaa18e1c9f4fb1d6917db598d32c26a7',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
	lost INTEGER DEFAULT '0' NOT NULL, 
	listed JSON, 
	upstream_done_at FLOAT, 
	assets JSON NOT NULL, 
	backend TEXT, 
	model TEXT, 
	ignored JSON DEFAULT '[]' NOT NULL, 
	ended_at FLOAT, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-e521529e1043b5d8c62174a9eaf1a1bd','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:52517/"},"keep":false,"format":null,"compression":null,"webhook_url":"http://127.0.0.1:52517/","origin":"http://127.0.0.1:44753","mask":null,"parameters":{},"previews":0}',1.79583199607694888114e+09,'completed','e0df18cbc24bd027','task_1',1.79583199615992355341e+09,1,0,'[]',1.79583199628327941895e+09,'[{"url":"http://127.0.0.1:36873/media/task_1.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false}]','sora','sora-1.0','[]',1.79583199634298014638e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-a1d0a01960629c5eb2a3ad89f0c7c86d','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"images":["a7cb58f9e723fa1815c670d0aa650560.gif"],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583199636974787712e+09,'completed','e0df18cbc24bd027','task_2',1.79583199638110923767e+09,1,0,NULL,1.79583199649508976937e+09,'[{"url":"http://127.0.0.1:36873/media/task_2.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false}]','sora','sora-1.0','[]',1.79583199650415968901e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-aaa18e1c9f4fb1d6917db598d32c26a7','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583199651499795914e+09,'failed','e0df18cbc24bd027',NULL,1.7958319965177989006e+09,1,0,NULL,NULL,'[]','sora','sora-1.0','[]',1.79583199652476477618e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-829f1136da3c659268cd847215c98e98','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583199654753518101e+09,'running','e0df18cbc24bd027','task_3',1.79583199654974198346e+09,1,0,NULL,NULL,'[]','sora','sora-1.0','[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-7ed8ca20840badc5967759113be22253','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583199658079075812e+09,'submitting','e0df18cbc24bd027',NULL,1.79583199658460807802e+09,1,0,NULL,NULL,'[]','sora','sora-1.0','[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-9d4866092574391f289ec040bd2143ac','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"images":["a9809cc5b22a920530c8fdcd32d36484.gif"],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583199661758589741e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL);
CREATE TABLE keys (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	token TEXT NOT NULL, 
	backend TEXT DEFAULT '' NOT NULL, 
	config JSON NOT NULL, 
	origin TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	imported JSON, 
	memory JSON, 
	PRIMARY KEY (number), 
	UNIQUE (id), 
	UNIQUE (token)
);
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','','{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{}}','environment',1.79583199603739500048e+09,'{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{}}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','','{"key":"upstream-token-of-an-operator","weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null,"base_url":null,"headers":{}}','admin',1.79583199606576395033e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('a418c8c797957b0d65454845761d9002.gif','chatcmpl-e521529e1043b5d8c62174a9eaf1a1bd');
INSERT INTO "pictures" VALUES('974ded0c312f6d346409bb500e76d930.gif','chatcmpl-a1d0a01960629c5eb2a3ad89f0c7c86d');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-e521529e1043b5d8c62174a9eaf1a1bd','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583199607694888114e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-a1d0a01960629c5eb2a3ad89f0c7c86d','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583199636974787712e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-aaa18e1c9f4fb1d6917db598d32c26a7','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583199651499795914e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-829f1136da3c659268cd847215c98e98','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583199654753518101e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-7ed8ca20840badc5967759113be22253','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583199658079075812e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-9d4866092574391f289ec040bd2143ac','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583199661758589741e+09);
CREATE TABLE settings (
	name TEXT NOT NULL, 
	value JSON NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('VERBOSE_LOGGING','true');
CREATE TABLE starts (
	number INTEGER NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "starts" VALUES(1);
CREATE TABLE submissions (
	generation_id TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	key_id TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (generation_id, attempt)
);
INSERT INTO "submissions" VALUES('chatcmpl-e521529e1043b5d8c62174a9eaf1a1bd',1,'e0df18cbc24bd027',1.79583199617681431772e+09);
INSERT INTO "submissions" VALUES('chatcmpl-a1d0a01960629c5eb2a3ad89f0c7c86d',1,'e0df18cbc24bd027',1.79583199638899683944e+09);
INSERT INTO "submissions" VALUES('chatcmpl-aaa18e1c9f4fb1d6917db598d32c26a7',1,'e0df18cbc24bd027',1.79583199652555465693e+09);
INSERT INTO "submissions" VALUES('chatcmpl-829f1136da3c659268cd847215c98e98',1,'e0df18cbc24bd027',1.79583199655670857426e+09);
INSERT INTO "submissions" VALUES('chatcmpl-7ed8ca20840badc5967759113be22253',1,'e0df18cbc24bd027',1.79583199658621573443e+09);
CREATE TABLE usage (
	key_id TEXT NOT NULL, 
	day TEXT NOT NULL, 
	sent INTEGER NOT NULL, 
	accepted INTEGER NOT NULL, 
	refused INTEGER NOT NULL, 
	completed INTEGER NOT NULL, 
	failed INTEGER NOT NULL, 
	pictures INTEGER NOT NULL, 
	PRIMARY KEY (key_id, day)
);
INSERT INTO "usage" VALUES('e0df18cbc24bd027','2026-11-28',5,3,1,2,0,2);
CREATE TABLE webhook_outbox (
	id TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	address TEXT NOT NULL, 
	host TEXT NOT NULL, 
	body TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	due_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (generation_id)
);
INSERT INTO "webhook_outbox" VALUES('msg_67a1b39a0ae7fc7ae2b02f84747c3b7b','chatcmpl-e521529e1043b5d8c62174a9eaf1a1bd','http://127.0.0.1:52517/','127.0.0.1','{"type":"generation.completed","timestamp":"2026-11-28T02:13:16.347092Z","data":{"id":"chatcmpl-e521529e1043b5d8c62174a9eaf1a1bd","object":"generation","status":"completed","created":1795831996,"model":"sora-1.0","n":1,"backend":"sora","backend_model":"sora-1.0","backend_id":"task_1","ignored_parameters":[],"pictures":["http://127.0.0.1:44753/images/a418c8c797957b0d65454845761d9002.gif"],"error":null,"metadata":{"webhook_url":"http://127.0.0.1:52517/"}}}',1,1.79583200194438314441e+09);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
CREATE INDEX ix_submissions_at ON submissions (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',4);
COMMIT;
PRAGMA user_version = 5;
