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
INSERT INTO "audit" VALUES(1,1.79583200629611921313e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1.0],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true],"headers":[null,{}]}');
INSERT INTO "audit" VALUES(2,1.79583200636183023448e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583200636882114407e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false],"headers":[null,{}]}');
INSERT INTO "audit" VALUES(4,1.79583200637871456145e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-450f1c665580175705007826f7cca390','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-450f1c665580175705007826f7cca390',1,'picture','{"index":0,"name":"b8de53d2b105e13e9aec9ac6f6421299.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-450f1c665580175705007826f7cca390',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-b88579708e87681e9f62054f63061eae',1,'picture','{"index":0,"name":"bcf775091c21e2d23c0b5921272775df.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-b88579708e87681e9f62054f63061eae',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-8c3ff1668d39407067bf7711280a4237',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-450f1c665580175705007826f7cca390','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:45801/"},"keep":false,"format":null,"compression":null,"webhook_url":"http://127.0.0.1:45801/","origin":"http://127.0.0.1:37063"}',1.79583200639264035222e+09,'completed','e0df18cbc24bd027','task_1',1.79583200659545207025e+09,1,0,'[]',1.79583200673734712593e+09,'[{"url":"http://127.0.0.1:33221/media/task_1.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false}]','sora',1.79583200680664682386e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-b88579708e87681e9f62054f63061eae','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"c36ec3dcaceb3694866d21b0ba1b0af2.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583200685439777375e+09,'completed','e0df18cbc24bd027','task_2',1.79583200686830234526e+09,1,0,NULL,1.79583200697927951815e+09,'[{"url":"http://127.0.0.1:33221/media/task_2.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false}]','sora',1.79583200698547697064e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-8c3ff1668d39407067bf7711280a4237','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.7958320069943358898e+09,'failed','e0df18cbc24bd027',NULL,NULL,1,0,NULL,NULL,'[]','sora',1.79583200700219178204e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-84842e53d67448ddd62842bb18fa15a2','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583200702533555027e+09,'running','e0df18cbc24bd027','task_3',1.79583200702833747867e+09,1,0,NULL,NULL,'[]','sora',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-3ea468dc22bd025e7e49eadf2fc214be','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583200705921125408e+09,'submitting','e0df18cbc24bd027',NULL,1.79583200706226491926e+09,1,0,NULL,NULL,'[]','sora',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-050911dc8cd67d1d55bc5b1930c74566','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"6c5e9512513bf7cdef59e6580891975e.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583200709423255916e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL);
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
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','','{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{}}','environment',1.79583200626727032666e+09,'{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{}}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','','{"key":"upstream-token-of-an-operator","weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null,"base_url":null,"headers":{}}','admin',1.79583200636735320094e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('b8de53d2b105e13e9aec9ac6f6421299.gif','chatcmpl-450f1c665580175705007826f7cca390');
INSERT INTO "pictures" VALUES('bcf775091c21e2d23c0b5921272775df.gif','chatcmpl-b88579708e87681e9f62054f63061eae');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-450f1c665580175705007826f7cca390','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583200639264035222e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-b88579708e87681e9f62054f63061eae','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583200685439777375e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-8c3ff1668d39407067bf7711280a4237','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.7958320069943358898e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-84842e53d67448ddd62842bb18fa15a2','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583200702533555027e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-3ea468dc22bd025e7e49eadf2fc214be','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583200705921125408e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-050911dc8cd67d1d55bc5b1930c74566','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583200709423255916e+09);
CREATE TABLE settings (
	name TEXT NOT NULL, 
	value JSON NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('VERBOSE_LOGGING','true');
CREATE TABLE spending (
	backend TEXT NOT NULL, 
	day TEXT NOT NULL, 
	images INTEGER NOT NULL, 
	PRIMARY KEY (backend, day)
);
INSERT INTO "spending" VALUES('sora','2026-11-28',4);
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
INSERT INTO "submissions" VALUES('chatcmpl-450f1c665580175705007826f7cca390',1,'e0df18cbc24bd027',1.79583200662569737434e+09);
INSERT INTO "submissions" VALUES('chatcmpl-b88579708e87681e9f62054f63061eae',1,'e0df18cbc24bd027',1.79583200687501621248e+09);
INSERT INTO "submissions" VALUES('chatcmpl-8c3ff1668d39407067bf7711280a4237',1,'e0df18cbc24bd027',1.7958320070028891564e+09);
INSERT INTO "submissions" VALUES('chatcmpl-84842e53d67448ddd62842bb18fa15a2',1,'e0df18cbc24bd027',1.79583200703767156599e+09);
INSERT INTO "submissions" VALUES('chatcmpl-3ea468dc22bd025e7e49eadf2fc214be',1,'e0df18cbc24bd027',1.79583200706353664395e+09);
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
INSERT INTO "webhook_outbox" VALUES('msg_9264ec537a5de2c2c327f857557a2a97','chatcmpl-450f1c665580175705007826f7cca390','http://127.0.0.1:45801/','127.0.0.1','{"type":"generation.completed","timestamp":"2026-11-28T02:13:26.811147Z","data":{"id":"chatcmpl-450f1c665580175705007826f7cca390","object":"generation","status":"completed","created":1795832006,"model":"sora-1.0","n":1,"backend":"sora","pictures":["http://127.0.0.1:37063/images/b8de53d2b105e13e9aec9ac6f6421299.gif"],"error":null,"metadata":{"webhook_url":"http://127.0.0.1:45801/"}}}',1,1.79583201246525239942e+09);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
CREATE INDEX ix_submissions_at ON submissions (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',4);
COMMIT;
PRAGMA user_version = 4;
