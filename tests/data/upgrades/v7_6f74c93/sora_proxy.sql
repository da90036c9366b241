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
INSERT INTO "audit" VALUES(1,1.79583202663844346998e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1.0],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true],"headers":[null,{}],"models":[null,[]]}');
INSERT INTO "audit" VALUES(2,1.79583202668827605248e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583202669302511213e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false],"headers":[null,{}],"models":[null,[]]}');
INSERT INTO "audit" VALUES(4,1.795832026697091341e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
INSERT INTO "audit" VALUES(5,1.79583202670068478581e+09,'admin key','127.0.0.1','key.add','3af39c4b19369cb0','{"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"spare"],"enabled":[null,true],"headers":[null,{}],"models":[null,[]],"key":[null,"e3b0c44298fc1c14"]}');
INSERT INTO "audit" VALUES(6,1.79583202670128655432e+09,'admin key','127.0.0.1','backend.add','spare','{"name":[null,"spare"],"kind":[null,"sora"],"base_url":[null,"http://127.0.0.1:9"],"options":[null,{"max_images_per_day":null,"extra_headers":{}}],"enabled":[null,false]}');
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
INSERT INTO "backends" VALUES(1,'sora','{"name":"sora","kind":"sora","base_url":"http://127.0.0.1:37781","models":null,"options":{"max_images_per_day":null,"extra_headers":{}},"enabled":true}','environment',1.79583202658201313015e+09,'{"name":"sora","kind":"sora","base_url":"http://127.0.0.1:37781","models":null,"options":{"max_images_per_day":null,"extra_headers":{}},"enabled":true}',NULL);
INSERT INTO "backends" VALUES(2,'spare','{"name":"spare","kind":"sora","base_url":"http://127.0.0.1:9","models":null,"options":{"max_images_per_day":null,"extra_headers":{}},"enabled":false}','admin',1.79583202669985103607e+09,NULL,NULL);
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-981fa0e36f5b760e3899167b246f4fc7','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-981fa0e36f5b760e3899167b246f4fc7',1,'picture','{"index":0,"name":"23b7648b0aa7b64b82a4c09802f2c6e5.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-981fa0e36f5b760e3899167b246f4fc7',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-b1124021a4c00bbcb8ed2baf868e26e4',1,'picture','{"index":0,"name":"6bf6551ba3d66c3763b3c2afa5380cd5.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-b1124021a4c00bbcb8ed2baf868e26e4',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-79383b9fe432f214dd9455af174775c3',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-981fa0e36f5b760e3899167b246f4fc7','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:38863/"},"keep":false,"format":null,"compression":null,"webhook_url":"http://127.0.0.1:38863/","origin":"http://127.0.0.1:56071","mask":null,"parameters":{},"previews":0}',1.79583202670629096028e+09,'completed','e0df18cbc24bd027','task_1',1.79583202678267407417e+09,1,0,'[]',1.79583202690053582188e+09,'[{"url":"http://127.0.0.1:37781/media/task_1.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false,"key_id":null}]','sora','sora-1.0','[]','[720,480]','[]',NULL,1.79583202693919420245e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-b1124021a4c00bbcb8ed2baf868e26e4','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"images":["98f8b89673cc17fa7fe26c990f8e3fcf.gif"],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583202696565198902e+09,'completed','e0df18cbc24bd027','task_2',1.79583202697372460365e+09,1,0,NULL,1.79583202700231552126e+09,'[{"url":"http://127.0.0.1:37781/media/task_2.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false,"key_id":null}]','sora','sora-1.0','[]','[720,480]','[]',NULL,1.79583202700876975056e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-79383b9fe432f214dd9455af174775c3','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.7958320270213017464e+09,'failed','e0df18cbc24bd027',NULL,NULL,1,0,NULL,NULL,'[]','sora','sora-1.0','[]','[720,480]','[]',NULL,1.79583202703176736834e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-56defa920d9ddc6c2941dc17d76207f4','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583202705163121224e+09,'running','e0df18cbc24bd027','task_3',1.79583202705387067798e+09,1,0,NULL,NULL,'[]','sora','sora-1.0','[]','[720,480]','[]',NULL,NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-674894a7fb6c70574634b8c555d60a30','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583202708383607862e+09,'submitting','e0df18cbc24bd027',NULL,1.79583202708692455298e+09,1,0,NULL,NULL,'[]','sora','sora-1.0','[]','[720,480]','[]',NULL,NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-973543362bab29651f710d657d65e178','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"images":["6554e2a884d1bcd707d19217d4d6a272.gif"],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583202712051463127e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL,'[]',NULL,NULL);
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
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','','{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}','environment',1.79583202663533353805e+09,'{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','','{"key":"upstream-token-of-an-operator","weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}','admin',1.79583202669225835803e+09,'null',NULL);
INSERT INTO "keys" VALUES(3,'3af39c4b19369cb0','spare/spare','spare','{"weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"spare","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}','admin',1.79583202669992709164e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('23b7648b0aa7b64b82a4c09802f2c6e5.gif','chatcmpl-981fa0e36f5b760e3899167b246f4fc7');
INSERT INTO "pictures" VALUES('6bf6551ba3d66c3763b3c2afa5380cd5.gif','chatcmpl-b1124021a4c00bbcb8ed2baf868e26e4');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-981fa0e36f5b760e3899167b246f4fc7','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583202670629096028e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-b1124021a4c00bbcb8ed2baf868e26e4','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583202696565198902e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-79383b9fe432f214dd9455af174775c3','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.7958320270213017464e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-56defa920d9ddc6c2941dc17d76207f4','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583202705163121224e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-674894a7fb6c70574634b8c555d60a30','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583202708383607862e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-973543362bab29651f710d657d65e178','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583202712051463127e+09);
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
INSERT INTO "submissions" VALUES('chatcmpl-981fa0e36f5b760e3899167b246f4fc7',1,'e0df18cbc24bd027',1.79583202679618978499e+09);
INSERT INTO "submissions" VALUES('chatcmpl-b1124021a4c00bbcb8ed2baf868e26e4',1,'e0df18cbc24bd027',1.7958320269791676998e+09);
INSERT INTO "submissions" VALUES('chatcmpl-79383b9fe432f214dd9455af174775c3',1,'e0df18cbc24bd027',1.79583202703269743916e+09);
INSERT INTO "submissions" VALUES('chatcmpl-56defa920d9ddc6c2941dc17d76207f4',1,'e0df18cbc24bd027',1.79583202705999970434e+09);
INSERT INTO "submissions" VALUES('chatcmpl-674894a7fb6c70574634b8c555d60a30',1,'e0df18cbc24bd027',1.79583202708914327619e+09);
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
INSERT INTO "webhook_outbox" VALUES('msg_a1ee7f4d4086f61f620f7a235541deec','chatcmpl-981fa0e36f5b760e3899167b246f4fc7','http://127.0.0.1:38863/','127.0.0.1','{"type":"generation.completed","timestamp":"2026-11-28T02:13:46.942215Z","data":{"id":"chatcmpl-981fa0e36f5b760e3899167b246f4fc7","object":"generation","status":"completed","created":1795832026,"model":"sora-1.0","n":1,"backend":"sora","backend_model":"sora-1.0","backend_id":"task_1","ignored_parameters":[],"pictures":["http://127.0.0.1:56071/images/23b7648b0aa7b64b82a4c09802f2c6e5.gif"],"error":null,"metadata":{"webhook_url":"http://127.0.0.1:38863/"}}}',1,1.79583203210566234595e+09);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
CREATE INDEX ix_submissions_at ON submissions (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',6);
COMMIT;
PRAGMA user_version = 7;
