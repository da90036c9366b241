// The texts of the page, in English and in Chinese.

const ENGLISH = {
  api: "API",
  key: "Client key",
  keyHint: "At startup, the server printed the key or said where it is. A generated key is in the file client_key in "
    + "the server's data folder. This page forgets the key when it is closed or loaded again. "
    + "Your images then come back with the key, at the same address.",
  enter: "Continue",
  wrongKey: "The server does not accept this key.",
  unreachable: "The server can't be reached.",
  noModels: "The server has no model at the moment. Check that its back end is running, then reload this page.",
  model: "Model",
  prompt: "What should the image show?",
  nextPrompt: "What should change in the last image? Or what should a new image show?",
  make: "Make the image",
  fresh: "New image",
  change: "Change the image",
  cancel: "Cancel",
  sending: "Sending the order …",
  earlier: "An earlier order",
  queued: (place) => `In the queue, place ${place}`,
  waiting: "At the back end",
  percent: (percent) => `${percent} %`,
  seconds: (seconds) => `about ${seconds} s`,
  lost: "Connection lost, trying again …",
  slow: "This is taking longer than usual. The order continues.",
  done: "Finished",
  cancelled: "Cancelled",
  missing: (message) => `One image is missing: ${message}`,
  notFound: "This image was ordered with another key, or it was deleted.",
  open: (prompt) => `Open the image: ${prompt}`,
  elsewhere: "Open the image at the back end",
  failures: {},  // the server's messages are already in English
};

const CHINESE = {
  api: "API",
  key: "客户端密钥",
  keyHint: "服务启动时会说明密钥在哪里：直接显示在终端里，或保存在数据目录的 client_key 文件中。密钥只保存在本页内存里，关闭或刷新页面后需要重新输入；用同一个网址和密钥可以找回图片。",
  enter: "继续",
  wrongKey: "密钥不正确。",
  unreachable: "无法连接服务器。",
  noModels: "服务器目前没有可用的模型。请确认后端正在运行，然后刷新页面。",
  model: "模型",
  prompt: "想画什么？",
  nextPrompt: "最后一张图想怎么改？也可以描述一张新图。",
  make: "画图",
  fresh: "画新图",
  change: "修改这张图",
  cancel: "取消",
  sending: "正在提交……",
  earlier: "之前的任务",
  queued: (place) => `排队中，第 ${place} 位`,
  waiting: "后端处理中",
  percent: (percent) => `${percent}%`,
  seconds: (seconds) => `大约 ${seconds} 秒`,
  lost: "连接中断，正在重连……",
  slow: "耗时比平常长，任务仍在进行。",
  done: "已完成",
  cancelled: "已取消",
  missing: (message) => `有一张图没有生成：${message}`,
  notFound: "这张图是用其他密钥提交的，或者已被删除。",
  open: (prompt) => `打开图片：${prompt}`,
  elsewhere: "在后端打开图片",
  failures: {
    content_policy_violation: "后端认为提示词违反内容政策，请修改后再试。",
    generation_timeout: "后端耗时过长，任务已放弃。",
    queue_timeout: "等待时间过长，没有可用的密钥或服务器，请稍后再试。",
    no_upstream_key: "服务器没有可用的后端密钥，请联系管理员。",
    upstream_unavailable: "后端暂时无法访问，请稍后再试。",
    upstream_rate_limited: "后端限制了请求频率，请稍后再试。",
    internal_error: "服务器内部错误。",
  },
};

const chinese = (navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag)) ?? "en").toLowerCase().startsWith("zh");

export const language = chinese ? "zh-CN" : "en";
export const words = chinese ? CHINESE : ENGLISH;

/** Set the text of every element below `root` whose attribute `data-word` names one of the texts. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-word]")) element.textContent = words[element.dataset.word];
}
