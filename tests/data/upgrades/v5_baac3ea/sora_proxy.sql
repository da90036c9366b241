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
INSERT INTO "audit" VALUES(1,1.79583201322076630593e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1.0],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true],"headers":[null,{}]}');
INSERT INTO "audit" VALUES(2,1.79583201326614046102e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583201327033352857e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false],"headers":[null,{}]}');
INSERT INTO "audit" VALUES(4,1795832013.27573,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
INSERT INTO "audit" VALUES(5,1.79583201328075408934e+09,'admin key','127.0.0.1','key.add','3af39c4b19369cb0','{"key":[null,"e3b0c44298fc1c14"],"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"spare"],"enabled":[null,true],"headers":[null,{}]}');
INSERT INTO "audit" VALUES(6,1.79583201328142881393e+09,'admin key','127.0.0.1','backend.add','spare','{"name":[null,"spare"],"kind":[null,"sora"],"base_url":[null,"http://127.0.0.1:9"],"options":[null,{"max_images_per_day":null}],"enabled":[null,false]}');
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
INSERT INTO "backends" VALUES(1,'sora','{"name":"sora","kind":"sora","base_url":"http://127.0.0.1:34285","models":null,"options":{"max_images_per_day":null},"enabled":true}','environment',1.79583201314644193649e+09,'{"name":"sora","kind":"sora","base_url":"http://127.0.0.1:34285","models":null,"options":{"max_images_per_day":null},"enabled":true}',NULL);
INSERT INTO "backends" VALUES(2,'spare','{"name":"spare","kind":"sora","base_url":"http://127.0.0.1:9","models":null,"options":{"max_images_per_day":null},"enabled":false}','admin',1.79583201327942132948e+09,NULL,NULL);
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-6b3a43336f4ed599fb1f37412c22e5eb','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-6b3a43336f4ed599fb1f37412c22e5eb',1,'picture','{"index":0,"name":"7ab65c1b689c453e1ebdc22a95238ee8.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-6b3a43336f4ed599fb1f37412c22e5eb',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-f726bb967fcb694044f0fba0b9b912d9',1,'picture','{"index":0,"name":"964aeded181a58a72926b1b46f518984.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-f726bb967fcb694044f0fba0b9b912d9',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-3de5cfe8edc483b586e860eb9034c1c3',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-6b3a43336f4ed599fb1f37412c22e5eb','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:46875/"},"keep":false,"format":null,"compression":null,"webhook_url":"http://127.0.0.1:46875/","origin":"http://127.0.0.1:58175","mask":null,"parameters":{},"previews":0}',1.79583201328711318965e+09,'completed','e0df18cbc24bd027','task_1',1.79583201337787342071e+09,1,0,'[]',1.79583201349443411821e+09,'[{"url":"http://127.0.0.1:34285/media/task_1.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false}]','sora','sora-1.0','[]',1.79583201361052298547e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-f726bb967fcb694044f0fba0b9b912d9','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"images":["2fa277e7097bd497635bafff6b72bf8a.gif"],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583201364302921299e+09,'completed','e0df18cbc24bd027','task_2',1.79583201365268683435e+09,1,0,NULL,1.79583201376263570784e+09,'[{"url":"http://127.0.0.1:34285/media/task_2.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false}]','sora','sora-1.0','[]',1.79583201377449464802e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-3de5cfe8edc483b586e860eb9034c1c3','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583201378338718412e+09,'failed','e0df18cbc24bd027',NULL,NULL,1,0,NULL,NULL,'[]','sora','sora-1.0','[]',1.79583201379559588431e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-ba959c00630f23bb253181c629a599ff','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583201381623816495e+09,'running','e0df18cbc24bd027','task_3',1.79583201382740497592e+09,1,0,NULL,NULL,'[]','sora','sora-1.0','[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-5ed8a622354701abfdcf6411c28e10ad','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"images":[],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.7958320138568785191e+09,'submitting','e0df18cbc24bd027',NULL,1.79583201386736059186e+09,1,0,NULL,NULL,'[]','sora','sora-1.0','[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-3063a9e685d4e2c65bc99f6af14699b4','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"images":["464e18a24f2590361916658879a09edf.gif"],"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":"","mask":null,"parameters":{},"previews":0}',1.79583201389812612534e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL);
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
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','','{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{}}','environment',1.79583201321485710138e+09,'{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{}}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','','{"key":"upstream-token-of-an-operator","weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null,"base_url":null,"headers":{}}','admin',1.79583201326919031145e+09,'null',NULL);
INSERT INTO "keys" VALUES(3,'3af39c4b19369cb0','spare/spare','spare','{"key":"","weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"spare","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{}}','admin',1.79583201327954697606e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('7ab65c1b689c453e1ebdc22a95238ee8.gif','chatcmpl-6b3a43336f4ed599fb1f37412c22e5eb');
INSERT INTO "pictures" VALUES('964aeded181a58a72926b1b46f518984.gif','chatcmpl-f726bb967fcb694044f0fba0b9b912d9');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-6b3a43336f4ed599fb1f37412c22e5eb','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583201328711318965e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-f726bb967fcb694044f0fba0b9b912d9','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583201364302921299e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-3de5cfe8edc483b586e860eb9034c1c3','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583201378338718412e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-ba959c00630f23bb253181c629a599ff','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583201381623816495e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-5ed8a622354701abfdcf6411c28e10ad','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.7958320138568785191e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-3063a9e685d4e2c65bc99f6af14699b4','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583201389812612534e+09);
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
INSERT INTO "submissions" VALUES('chatcmpl-6b3a43336f4ed599fb1f37412c22e5eb',1,'e0df18cbc24bd027',1.79583201338938593864e+09);
INSERT INTO "submissions" VALUES('chatcmpl-f726bb967fcb694044f0fba0b9b912d9',1,'e0df18cbc24bd027',1.79583201365851640699e+09);
INSERT INTO "submissions" VALUES('chatcmpl-3de5cfe8edc483b586e860eb9034c1c3',1,'e0df18cbc24bd027',1.79583201379679703712e+09);
INSERT INTO "submissions" VALUES('chatcmpl-ba959c00630f23bb253181c629a599ff',1,'e0df18cbc24bd027',1.79583201384306621545e+09);
INSERT INTO "submissions" VALUES('chatcmpl-5ed8a622354701abfdcf6411c28e10ad',1,'e0df18cbc24bd027',1.79583201387189769749e+09);
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
INSERT INTO "webhook_outbox" VALUES('msg_58d56719c998d94c39bb12d2ee9347d1','chatcmpl-6b3a43336f4ed599fb1f37412c22e5eb','http://127.0.0.1:46875/','127.0.0.1','{"type":"generation.completed","timestamp":"2026-11-28T02:13:33.614709Z","data":{"id":"chatcmpl-6b3a43336f4ed599fb1f37412c22e5eb","object":"generation","status":"completed","created":1795832013,"model":"sora-1.0","n":1,"backend":"sora","backend_model":"sora-1.0","backend_id":"task_1","ignored_parameters":[],"pictures":["http://127.0.0.1:58175/images/7ab65c1b689c453e1ebdc22a95238ee8.gif"],"error":null,"metadata":{"webhook_url":"http://127.0.0.1:46875/"}}}',1,1.79583201883158183093e+09);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
CREATE INDEX ix_submissions_at ON submissions (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',6);
COMMIT;
PRAGMA user_version = 5;
