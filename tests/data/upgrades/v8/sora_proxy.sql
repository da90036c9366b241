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
INSERT INTO "audit" VALUES(1,1.79583275985183215142e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1.0],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true],"headers":[null,{}],"models":[null,[]]}');
INSERT INTO "audit" VALUES(2,1.79583275990283751486e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583275991120743754e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false],"headers":[null,{}],"models":[null,[]]}');
INSERT INTO "audit" VALUES(4,1.79583275992267823216e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
INSERT INTO "audit" VALUES(5,1.79583275993170976636e+09,'admin key','127.0.0.1','key.add','3af39c4b19369cb0','{"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"spare"],"enabled":[null,true],"headers":[null,{}],"models":[null,[]],"key":[null,"e3b0c44298fc1c14"]}');
INSERT INTO "audit" VALUES(6,1.79583275993250513075e+09,'admin key','127.0.0.1','backend.add','spare','{"name":[null,"spare"],"kind":[null,"sora"],"base_url":[null,"http://127.0.0.1:9"],"options":[null,{"max_images_per_day":null,"extra_headers":{}}],"enabled":[null,false]}');
CREATE TABLE backends (
	number INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	config JSON NOT NULL, 
	origin TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	imported JSON, 
	capabilities JSON, 
	PRIMARY KEY (number), 
	UNIQUE (name)
);
INSERT INTO "backends" VALUES(1,'sora','{"name":"sora","kind":"sora","base_url":"http://127.0.0.1:43109","models":null,"options":{"max_images_per_day":null,"extra_headers":{}},"enabled":true}','environment',1.79583275976649546622e+09,'{"name":"sora","kind":"sora","base_url":"http://127.0.0.1:43109","models":null,"options":{"max_images_per_day":null,"extra_headers":{}},"enabled":true}',NULL);
INSERT INTO "backends" VALUES(2,'spare','{"name":"spare","kind":"sora","base_url":"http://127.0.0.1:9","models":null,"options":{"max_images_per_day":null,"extra_headers":{}},"enabled":false}','admin',1.79583275993056297307e+09,NULL,NULL);
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-69a76f368ded8fa67d29c682bd50702e','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-69a76f368ded8fa67d29c682bd50702e',1,'picture','{"index":0,"name":"188a5d5dd49c3e6079b9d435542c4b3b.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-69a76f368ded8fa67d29c682bd50702e',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-8cd567e9f53aac631c32e89b5fea471a',1,'picture','{"index":0,"name":"22c75bee9c9c31e7d60ca4d1417aa178.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-8cd567e9f53aac631c32e89b5fea471a',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-6289e94e073b2b551be4a4e7d30c243a',1,'failed','{"code":"content_policy_violation","message":"The order violates the back end''s content policy. Change the prompt or a reference image."}');
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
	size JSON, 
	calls JSON DEFAULT '[]' NOT NULL, 
	usage JSON, 
	ended_at FLOAT, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-69a76f368ded8fa67d29c682bd50702e','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:57901/"},"keep":false,"format":null,"compression":null,"webhook_url":"http://127.0.0.1:57901/","origin":"http://127.0.0.1:47719","mask":null,"parameters":{},"previews":0,"via":[]}',1.79583275994444489485e+09,'completed','e0df18cbc24bd027','task_1',1.79583276005505299566e+09,1,0,'[]',1.79583276017629790309e+09,'[{"url":"http://127.0.0.1:43109/media/task_1.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false,"key_id":null}]','sora','sora-1.0','[]','[720,480]','[]',NULL,1.79583276022000956533e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-8cd567e9f53aac631c32e89b5fea471a','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"images":["11cdb91578fc64f2d4a5c3a9431059d0.gif"],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0,"via":[]}',1.79583276024852347375e+09,'completed','e0df18cbc24bd027','task_2',1.79583276026649308202e+09,1,0,NULL,1.79583276038385486602e+09,'[{"url":"http://127.0.0.1:43109/media/task_2.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false,"key_id":null}]','sora','sora-1.0','[]','[720,480]','[]',NULL,1.79583276040252137186e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-6289e94e073b2b551be4a4e7d30c243a','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0,"via":[]}',1.79583276042554664617e+09,'failed','e0df18cbc24bd027',NULL,NULL,1,0,NULL,NULL,'[]','sora','sora-1.0','[]','[720,480]','[]',NULL,1.79583276044987177845e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-d7c4cdd9e6a2fad29dcfae5fd001d417','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0,"via":[]}',1.7958327604733457565e+09,'running','e0df18cbc24bd027','task_3',1.79583276047824263576e+09,1,0,NULL,NULL,'[]','sora','sora-1.0','[]','[720,480]','[]',NULL,NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-915cadb13a89de23bc60892d268b81c4','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0,"via":[]}',1.79583276052715110774e+09,'submitting','e0df18cbc24bd027',NULL,1.79583276053157734871e+09,1,0,NULL,NULL,'[]','sora','sora-1.0','[]','[720,480]','[]',NULL,NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-6807b2c12479e59402c494fda2965cb5','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"images":["d5ef5a947786aa21cf208ae3fa33c8d0.gif"],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0,"via":[]}',1.7958327605701985359e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL,'[]',NULL,NULL);
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
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','','{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}','environment',1.79583275984500074389e+09,'{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','','{"key":"upstream-token-of-an-operator","weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}','admin',1.7958327599092891216e+09,'null',NULL);
INSERT INTO "keys" VALUES(3,'3af39c4b19369cb0','spare/spare','spare','{"weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"spare","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}','admin',1.79583275993066143988e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('188a5d5dd49c3e6079b9d435542c4b3b.gif','chatcmpl-69a76f368ded8fa67d29c682bd50702e');
INSERT INTO "pictures" VALUES('22c75bee9c9c31e7d60ca4d1417aa178.gif','chatcmpl-8cd567e9f53aac631c32e89b5fea471a');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-69a76f368ded8fa67d29c682bd50702e','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583275994444489485e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-8cd567e9f53aac631c32e89b5fea471a','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583276024852347375e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-6289e94e073b2b551be4a4e7d30c243a','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583276042554664617e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-d7c4cdd9e6a2fad29dcfae5fd001d417','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.7958327604733457565e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-915cadb13a89de23bc60892d268b81c4','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583276052715110774e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-6807b2c12479e59402c494fda2965cb5','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.7958327605701985359e+09);
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
INSERT INTO "submissions" VALUES('chatcmpl-69a76f368ded8fa67d29c682bd50702e',1,'e0df18cbc24bd027',1.79583276006563162799e+09);
INSERT INTO "submissions" VALUES('chatcmpl-8cd567e9f53aac631c32e89b5fea471a',1,'e0df18cbc24bd027',1.79583276027499437335e+09);
INSERT INTO "submissions" VALUES('chatcmpl-6289e94e073b2b551be4a4e7d30c243a',1,'e0df18cbc24bd027',1.79583276045255064968e+09);
INSERT INTO "submissions" VALUES('chatcmpl-d7c4cdd9e6a2fad29dcfae5fd001d417',1,'e0df18cbc24bd027',1.79583276050009465214e+09);
INSERT INTO "submissions" VALUES('chatcmpl-915cadb13a89de23bc60892d268b81c4',1,'e0df18cbc24bd027',1.79583276053575468058e+09);
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
INSERT INTO "webhook_outbox" VALUES('msg_d9888f12244392115cf1f7e540d4664b','chatcmpl-69a76f368ded8fa67d29c682bd50702e','http://127.0.0.1:57901/','127.0.0.1','{"type":"generation.completed","timestamp":"2026-11-28T02:26:00.224136Z","data":{"id":"chatcmpl-69a76f368ded8fa67d29c682bd50702e","object":"generation","status":"completed","created":1795832759,"model":"sora-1.0","n":1,"backend":"sora","backend_model":"sora-1.0","backend_id":"task_1","ignored_parameters":[],"pictures":["http://127.0.0.1:47719/images/188a5d5dd49c3e6079b9d435542c4b3b.gif"],"error":null,"metadata":{"webhook_url":"http://127.0.0.1:57901/"}}}',1,1.79583276551116275787e+09);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
CREATE INDEX ix_submissions_at ON submissions (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',6);
COMMIT;
PRAGMA user_version = 8;
