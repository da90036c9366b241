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
INSERT INTO "audit" VALUES(1,1.79583198140367317199e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1.0],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true]}');
INSERT INTO "audit" VALUES(2,1.79583198142807626729e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583198143210792541e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false]}');
INSERT INTO "audit" VALUES(4,1.7958319814365901947e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-b12fd67a8abbc0f9aa89db0eb255f364','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-b12fd67a8abbc0f9aa89db0eb255f364',1,'picture','{"index":0,"name":"e5b929a662f5b02bc4dc5665f762a2de.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-b12fd67a8abbc0f9aa89db0eb255f364',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-717112fab6b529f1ac089f39c856dddb',1,'picture','{"index":0,"name":"e187969bd14fa50b4901fcd880cb9f88.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-717112fab6b529f1ac089f39c856dddb',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-15dc9e6cf166711c75468c0ffa7e3305',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
	ended_at FLOAT, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-b12fd67a8abbc0f9aa89db0eb255f364','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:59741/"},"keep":false,"format":null,"compression":null,"webhook_url":"http://127.0.0.1:59741/","origin":"http://127.0.0.1:49783"}',1.79583198144461131089e+09,'completed','e0df18cbc24bd027','task_1',1.79583198145201826095e+09,1,0,NULL,1.79583198163807892795e+09,'[{"url":"http://127.0.0.1:36023/media/task_1.gif","width":null,"height":null,"id":null}]',1.795831981682943821e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-717112fab6b529f1ac089f39c856dddb','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"747c9f440831da7c3948c4d841460311.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583198170287942885e+09,'completed','e0df18cbc24bd027','task_2',1.79583198171028947829e+09,1,0,NULL,1.7958319817391836643e+09,'[{"url":"http://127.0.0.1:36023/media/task_2.gif","width":null,"height":null,"id":null}]',1.79583198174533343314e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-15dc9e6cf166711c75468c0ffa7e3305','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583198175493764878e+09,'failed','e0df18cbc24bd027',NULL,1.79583198175725269321e+09,1,0,NULL,NULL,'[]',1.7958319817630908489e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-7464d7fb60d48f4945c67c71044d9a39','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583198178335404398e+09,'running','e0df18cbc24bd027','task_3',1.7958319817855045795e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-796f50bd8f7977d6fb6bea57c4fb53a6','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.7958319818117923737e+09,'submitting','e0df18cbc24bd027',NULL,1.79583198181384611131e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-e9efd372c1e54df3d10193e700aa2590','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"7febdd206602874e0cdfbc9640c3d842.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583198184780097007e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL);
CREATE TABLE keys (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	token TEXT NOT NULL, 
	config JSON NOT NULL, 
	origin TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	imported JSON, 
	memory JSON, 
	PRIMARY KEY (number), 
	UNIQUE (id), 
	UNIQUE (token)
);
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null}','environment',1.79583198140128588674e+09,'{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','{"key":"upstream-token-of-an-operator","weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null}','admin',1.79583198143128371232e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('e5b929a662f5b02bc4dc5665f762a2de.gif','chatcmpl-b12fd67a8abbc0f9aa89db0eb255f364');
INSERT INTO "pictures" VALUES('e187969bd14fa50b4901fcd880cb9f88.gif','chatcmpl-717112fab6b529f1ac089f39c856dddb');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-b12fd67a8abbc0f9aa89db0eb255f364','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583198144461131089e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-717112fab6b529f1ac089f39c856dddb','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583198170287942885e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-15dc9e6cf166711c75468c0ffa7e3305','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583198175493764878e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-7464d7fb60d48f4945c67c71044d9a39','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583198178335404398e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-796f50bd8f7977d6fb6bea57c4fb53a6','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.7958319818117923737e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-e9efd372c1e54df3d10193e700aa2590','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583198184780097007e+09);
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
INSERT INTO "submissions" VALUES('chatcmpl-b12fd67a8abbc0f9aa89db0eb255f364',1,'e0df18cbc24bd027',1.79583198153289628033e+09);
INSERT INTO "submissions" VALUES('chatcmpl-717112fab6b529f1ac089f39c856dddb',1,'e0df18cbc24bd027',1.79583198171474575999e+09);
INSERT INTO "submissions" VALUES('chatcmpl-15dc9e6cf166711c75468c0ffa7e3305',1,'e0df18cbc24bd027',1.79583198176386952399e+09);
INSERT INTO "submissions" VALUES('chatcmpl-7464d7fb60d48f4945c67c71044d9a39',1,'e0df18cbc24bd027',1.79583198179154610637e+09);
INSERT INTO "submissions" VALUES('chatcmpl-796f50bd8f7977d6fb6bea57c4fb53a6',1,'e0df18cbc24bd027',1.7958319818152215481e+09);
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
INSERT INTO "webhook_outbox" VALUES('msg_90478b457048a99495a11fae3d123a77','chatcmpl-b12fd67a8abbc0f9aa89db0eb255f364','http://127.0.0.1:59741/','127.0.0.1','{"type":"generation.completed","timestamp":"2026-11-28T02:13:01.686378Z","data":{"id":"chatcmpl-b12fd67a8abbc0f9aa89db0eb255f364","object":"generation","status":"completed","created":1795831981,"model":"sora-1.0","n":1,"pictures":["http://127.0.0.1:49783/images/e5b929a662f5b02bc4dc5665f762a2de.gif"],"error":null,"metadata":{"webhook_url":"http://127.0.0.1:59741/"}}}',1,1.79583198737353277201e+09);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
CREATE INDEX ix_submissions_at ON submissions (at);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',4);
COMMIT;
PRAGMA user_version = 2;
