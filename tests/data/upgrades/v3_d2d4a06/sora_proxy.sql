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
INSERT INTO "audit" VALUES(1,1795831985.68215,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1.0],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true]}');
INSERT INTO "audit" VALUES(2,1.79583198571085023882e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583198571505475043e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false]}');
INSERT INTO "audit" VALUES(4,1.79583198571905255317e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-749d0f0d00f9a178788f54b0533e3d18','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-749d0f0d00f9a178788f54b0533e3d18',1,'picture','{"index":0,"name":"bb743eefcdcd49f70c8a23d26aa3710b.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-749d0f0d00f9a178788f54b0533e3d18',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-aab7e525f7bb95d1a87d9062c2ae83da',1,'picture','{"index":0,"name":"b2b8636a52768ba384dfd25a7d8d03d7.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-aab7e525f7bb95d1a87d9062c2ae83da',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-38fd01876fdab29e248c79c0e8fbcde1',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
	ended_at FLOAT, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-749d0f0d00f9a178788f54b0533e3d18','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:44025/"},"keep":false,"format":null,"compression":null,"webhook_url":"http://127.0.0.1:44025/","origin":"http://127.0.0.1:40347"}',1.7958319857266750336e+09,'completed','e0df18cbc24bd027','task_1',1.79583198573350358013e+09,1,0,NULL,1.79583198594227075577e+09,'[{"url":"http://127.0.0.1:40095/media/task_1.gif","width":null,"height":null,"id":null}]','sora',1.79583198597502541543e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-aab7e525f7bb95d1a87d9062c2ae83da','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"8b14b40d3edbbc9688588bb2f12818ab.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583198599750328058e+09,'completed','e0df18cbc24bd027','task_2',1.79583198600322318074e+09,1,0,NULL,1.79583198604294180865e+09,'[{"url":"http://127.0.0.1:40095/media/task_2.gif","width":null,"height":null,"id":null}]','sora',1.79583198604895138746e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-38fd01876fdab29e248c79c0e8fbcde1','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583198607055306438e+09,'failed','e0df18cbc24bd027',NULL,1.79583198607350850105e+09,1,0,NULL,NULL,'[]','sora',1.79583198607959938046e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-b89c0f34e191868d58c4d279a7916861','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583198610123205181e+09,'running','e0df18cbc24bd027','task_3',1.79583198610422539709e+09,1,0,NULL,NULL,'[]','sora',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-74f1dcb7fc9f9b1480f8d03c179b89ad','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583198613427495954e+09,'submitting','e0df18cbc24bd027',NULL,1.79583198613705730443e+09,1,0,NULL,NULL,'[]','sora',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-f23fcb35dcf45b99739ad769285f58d4','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"d5a004bf570af740ab78116a3805b734.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.7958319861683790684e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL);
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
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null}','environment',1.79583198568021917343e+09,'{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','{"key":"upstream-token-of-an-operator","weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null}','admin',1.79583198571420574185e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('bb743eefcdcd49f70c8a23d26aa3710b.gif','chatcmpl-749d0f0d00f9a178788f54b0533e3d18');
INSERT INTO "pictures" VALUES('b2b8636a52768ba384dfd25a7d8d03d7.gif','chatcmpl-aab7e525f7bb95d1a87d9062c2ae83da');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-749d0f0d00f9a178788f54b0533e3d18','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.7958319857266750336e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-aab7e525f7bb95d1a87d9062c2ae83da','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583198599750328058e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-38fd01876fdab29e248c79c0e8fbcde1','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583198607055306438e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-b89c0f34e191868d58c4d279a7916861','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583198610123205181e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-74f1dcb7fc9f9b1480f8d03c179b89ad','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583198613427495954e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-f23fcb35dcf45b99739ad769285f58d4','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.7958319861683790684e+09);
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
INSERT INTO "submissions" VALUES('chatcmpl-749d0f0d00f9a178788f54b0533e3d18',1,'e0df18cbc24bd027',1.79583198583702158927e+09);
INSERT INTO "submissions" VALUES('chatcmpl-aab7e525f7bb95d1a87d9062c2ae83da',1,'e0df18cbc24bd027',1.79583198600725936888e+09);
INSERT INTO "submissions" VALUES('chatcmpl-38fd01876fdab29e248c79c0e8fbcde1',1,'e0df18cbc24bd027',1.7958319860805926323e+09);
INSERT INTO "submissions" VALUES('chatcmpl-b89c0f34e191868d58c4d279a7916861',1,'e0df18cbc24bd027',1.79583198611132717134e+09);
INSERT INTO "submissions" VALUES('chatcmpl-74f1dcb7fc9f9b1480f8d03c179b89ad',1,'e0df18cbc24bd027',1.79583198613959527014e+09);
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
INSERT INTO "webhook_outbox" VALUES('msg_7a0ea391962bd5ffff1221b3e095f2b2','chatcmpl-749d0f0d00f9a178788f54b0533e3d18','http://127.0.0.1:44025/','127.0.0.1','{"type":"generation.completed","timestamp":"2026-11-28T02:13:05.977152Z","data":{"id":"chatcmpl-749d0f0d00f9a178788f54b0533e3d18","object":"generation","status":"completed","created":1795831985,"model":"sora-1.0","n":1,"backend":"sora","pictures":["http://127.0.0.1:40347/images/bb743eefcdcd49f70c8a23d26aa3710b.gif"],"error":null,"metadata":{"webhook_url":"http://127.0.0.1:44025/"}}}',1,1.7958319919240498543e+09);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
CREATE INDEX ix_submissions_at ON submissions (at);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',4);
COMMIT;
PRAGMA user_version = 3;
