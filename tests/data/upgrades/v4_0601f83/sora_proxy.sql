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
INSERT INTO "audit" VALUES(1,1.79583199045800876621e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1.0],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true],"headers":[null,{}],"models":[null,[]]}');
INSERT INTO "audit" VALUES(2,1.79583199048726367946e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583199049364662172e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1.0],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false],"headers":[null,{}],"models":[null,[]]}');
INSERT INTO "audit" VALUES(4,1.79583199049949336048e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-402f8bd57971d174efd0d30c2394a601','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-402f8bd57971d174efd0d30c2394a601',1,'picture','{"index":0,"name":"d669dadaa70fa3ab8b747c2ac8846f0c.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-402f8bd57971d174efd0d30c2394a601',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-5b1c31a0786126cf8f67dd445fa1c3f6',1,'picture','{"index":0,"name":"2d2f71a40bc30d0967f653ccf5aa8926.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-5b1c31a0786126cf8f67dd445fa1c3f6',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-a9b7436ab2edc63957450d2f90d6558a',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-402f8bd57971d174efd0d30c2394a601','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:36009/"},"keep":false,"format":null,"compression":null,"webhook_url":"http://127.0.0.1:36009/","origin":"http://127.0.0.1:58891"}',1.79583199050899386403e+09,'completed','e0df18cbc24bd027','task_1',1.79583199052049827574e+09,1,0,NULL,1.79583199069839763648e+09,'[{"url":"http://127.0.0.1:35263/media/task_1.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false}]','sora',1.79583199074636721617e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-5b1c31a0786126cf8f67dd445fa1c3f6','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"8645257bd38335c90f5c3176a8e314c8.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583199076422095298e+09,'completed','e0df18cbc24bd027','task_2',1.79583199077185916899e+09,1,0,NULL,1.7958319907997767925e+09,'[{"url":"http://127.0.0.1:35263/media/task_2.gif","width":null,"height":null,"id":null,"file":null,"ours_only":false}]','sora',1.79583199080634450914e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-a9b7436ab2edc63957450d2f90d6558a','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583199081706333154e+09,'failed','e0df18cbc24bd027',NULL,1.79583199082044625278e+09,1,0,NULL,NULL,'[]','sora',1.79583199082953596115e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-5345daf9a48655c122838b89194eb2d3','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1795831990.8493,'running','e0df18cbc24bd027','task_3',1.79583199085237574582e+09,1,0,NULL,NULL,'[]','sora',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-19f700f79e9df5dff9fa48a6403f3af8','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583199088230752943e+09,'submitting','e0df18cbc24bd027',NULL,1.79583199088535451892e+09,1,0,NULL,NULL,'[]','sora',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-0f59959dd3882f609e109404fb589468','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"f281d27fe0fa19a3427029f222a42822.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null,"webhook_url":null,"origin":""}',1.79583199091524529453e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL);
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
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','','{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[]}','environment',1.79583199045495963091e+09,'{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[]}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','','{"key":"upstream-token-of-an-operator","weight":1.0,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null,"base_url":null,"headers":{},"models":[]}','admin',1.79583199049261021612e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('d669dadaa70fa3ab8b747c2ac8846f0c.gif','chatcmpl-402f8bd57971d174efd0d30c2394a601');
INSERT INTO "pictures" VALUES('2d2f71a40bc30d0967f653ccf5aa8926.gif','chatcmpl-5b1c31a0786126cf8f67dd445fa1c3f6');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-402f8bd57971d174efd0d30c2394a601','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583199050899386403e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-5b1c31a0786126cf8f67dd445fa1c3f6','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583199076422095298e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-a9b7436ab2edc63957450d2f90d6558a','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583199081706333154e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-5345daf9a48655c122838b89194eb2d3','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1795831990.8493);
INSERT INTO "sent_requests" VALUES('chatcmpl-19f700f79e9df5dff9fa48a6403f3af8','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583199088230752943e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-0f59959dd3882f609e109404fb589468','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583199091524529453e+09);
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
INSERT INTO "submissions" VALUES('chatcmpl-402f8bd57971d174efd0d30c2394a601',1,'e0df18cbc24bd027',1.79583199059309673306e+09);
INSERT INTO "submissions" VALUES('chatcmpl-5b1c31a0786126cf8f67dd445fa1c3f6',1,'e0df18cbc24bd027',1.79583199077764940265e+09);
INSERT INTO "submissions" VALUES('chatcmpl-a9b7436ab2edc63957450d2f90d6558a',1,'e0df18cbc24bd027',1.79583199083057451243e+09);
INSERT INTO "submissions" VALUES('chatcmpl-5345daf9a48655c122838b89194eb2d3',1,'e0df18cbc24bd027',1795831990.86003);
INSERT INTO "submissions" VALUES('chatcmpl-19f700f79e9df5dff9fa48a6403f3af8',1,'e0df18cbc24bd027',1.79583199088810205462e+09);
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
INSERT INTO "webhook_outbox" VALUES('msg_3e5a64719ab392f3a4d650319e8ae5b9','chatcmpl-402f8bd57971d174efd0d30c2394a601','http://127.0.0.1:36009/','127.0.0.1','{"type":"generation.completed","timestamp":"2026-11-28T02:13:10.748621Z","data":{"id":"chatcmpl-402f8bd57971d174efd0d30c2394a601","object":"generation","status":"completed","created":1795831990,"model":"sora-1.0","n":1,"backend":"sora","pictures":["http://127.0.0.1:58891/images/d669dadaa70fa3ab8b747c2ac8846f0c.gif"],"error":null,"metadata":{"webhook_url":"http://127.0.0.1:36009/"}}}',1,1.79583199625485205649e+09);
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
INSERT INTO "sqlite_sequence" VALUES('audit',4);
COMMIT;
PRAGMA user_version = 4;
