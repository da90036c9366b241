BEGIN TRANSACTION;
CREATE TABLE audit (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	who TEXT NOT NULL, 
	address TEXT, 
	action TEXT NOT NULL, 
	target TEXT NOT NULL, 
	changes JSON NOT NULL
);
INSERT INTO "audit" VALUES(1,1.79583197234758734704e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true]}');
INSERT INTO "audit" VALUES(2,1.79583197238273358344e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583197238860630988e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false]}');
INSERT INTO "audit" VALUES(4,1.79583197239449667923e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-0cd239268599703f8b54cbb61d192c31','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-0cd239268599703f8b54cbb61d192c31',1,'picture','{"index":0,"name":"b533d6e6ee57979c3591afedf23730cb.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-0cd239268599703f8b54cbb61d192c31',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-329c2ce6f2ec9d368be4a19cfb87968f',1,'picture','{"index":0,"name":"6109a624ac691f12172fe5858b50f48c.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-329c2ce6f2ec9d368be4a19cfb87968f',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-6035770af52298540c2c41f71897addc',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-0cd239268599703f8b54cbb61d192c31','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:41851/"},"keep":false,"format":null,"compression":null}',1.79583197240430116657e+09,'completed','e0df18cbc24bd027','task_1',1.795831972414280653e+09,1,0,NULL,1.79583197259674143793e+09,'[{"url":"http://127.0.0.1:40959/media/task_1.gif","width":null,"height":null,"id":null}]',1.79583197264936208722e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-329c2ce6f2ec9d368be4a19cfb87968f','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"9c0fa5566aa8767fd0c8422be54f4d21.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583197266177630423e+09,'completed','e0df18cbc24bd027','task_2',1.79583197266975498193e+09,1,0,NULL,1.79583197269692301746e+09,'[{"url":"http://127.0.0.1:40959/media/task_2.gif","width":null,"height":null,"id":null}]',1795831972.70299);
INSERT INTO "generations" VALUES(3,'chatcmpl-6035770af52298540c2c41f71897addc','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583197271515297892e+09,'failed','e0df18cbc24bd027',NULL,1.79583197271826124196e+09,1,0,NULL,NULL,'[]',1.79583197272428703302e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-ce53acaebeef54d002975423d248b78a','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583197274716830247e+09,'running','e0df18cbc24bd027','task_3',1.79583197275005149846e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-b627a44dd42c33f4c6d762c5e4acce52','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583197277675843243e+09,'submitting','e0df18cbc24bd027',NULL,1.7958319727796669006e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-218b694685a63256cae909af58531f50','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"ac41085529d3b0ad02616f07decf2d92.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.795831972809719801e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL);
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
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','{"key":"upstream-token-of-the-tests","weight":1,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null}','environment',1.79583197234441089631e+09,'{"key":"upstream-token-of-the-tests","weight":1,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','{"key":"upstream-token-of-an-operator","weight":1,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null}','admin',1.79583197238721156124e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('b533d6e6ee57979c3591afedf23730cb.gif','chatcmpl-0cd239268599703f8b54cbb61d192c31');
INSERT INTO "pictures" VALUES('6109a624ac691f12172fe5858b50f48c.gif','chatcmpl-329c2ce6f2ec9d368be4a19cfb87968f');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-0cd239268599703f8b54cbb61d192c31','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583197240430116657e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-329c2ce6f2ec9d368be4a19cfb87968f','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583197266177630423e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-6035770af52298540c2c41f71897addc','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583197271515297892e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-ce53acaebeef54d002975423d248b78a','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583197274716830247e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-b627a44dd42c33f4c6d762c5e4acce52','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583197277675843243e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-218b694685a63256cae909af58531f50','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.795831972809719801e+09);
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
INSERT INTO "submissions" VALUES('chatcmpl-0cd239268599703f8b54cbb61d192c31',1,'e0df18cbc24bd027',1.7958319724911262989e+09);
INSERT INTO "submissions" VALUES('chatcmpl-329c2ce6f2ec9d368be4a19cfb87968f',1,'e0df18cbc24bd027',1.7958319726761069298e+09);
INSERT INTO "submissions" VALUES('chatcmpl-6035770af52298540c2c41f71897addc',1,'e0df18cbc24bd027',1.79583197272521066668e+09);
INSERT INTO "submissions" VALUES('chatcmpl-ce53acaebeef54d002975423d248b78a',1,'e0df18cbc24bd027',1.79583197275676417345e+09);
INSERT INTO "submissions" VALUES('chatcmpl-b627a44dd42c33f4c6d762c5e4acce52',1,'e0df18cbc24bd027',1.7958319727809562683e+09);
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
CREATE INDEX ix_submissions_at ON submissions (at);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',4);
COMMIT;
PRAGMA user_version = 2;
