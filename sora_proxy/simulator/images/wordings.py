"""Wordings: how OpenAI words each refusal. The profiles of other servers contain only the wordings that differ.

Sources: the table of errors in OpenAI's documents, and error messages in public reports.
"""

from sora_proxy.simulator.images.refusals import Reason, Wording

OPENAI: dict[Reason, Wording] = {
    Reason.no_route: Wording(404, "Invalid URL ({value})"),
    Reason.no_key: Wording(401, "You didn't provide an API key. Send it in an Authorization header."),
    Reason.wrong_key: Wording(401, "Incorrect API key provided: {value}.", "invalid_api_key"),
    Reason.empty_body: Wording(400, "We could not parse the JSON body of your request."),
    Reason.bad_body: Wording(400, "We could not parse the JSON body of your request."),
    Reason.not_a_form: Wording(
        400,
        "Unsupported content type: '{value}'. This API method only accepts 'multipart/form-data' requests.",
        "unsupported_content_type",
    ),
    Reason.no_model: Wording(400, "Missing required parameter: 'model'.", "missing_required_parameter"),
    Reason.unknown_model: Wording(404, "The model '{value}' does not exist.", "model_not_found"),
    Reason.unknown_field: Wording(400, "Unknown parameter: '{name}'.", "unknown_parameter"),
    Reason.no_prompt: Wording(400, "Missing required parameter: 'prompt'.", "missing_required_parameter"),
    Reason.empty_prompt: Wording(400, "Invalid 'prompt': empty string.", "empty_string"),
    Reason.long_prompt: Wording(
        400, "Invalid 'prompt': expected at most {expected} characters.", "string_above_max_length"
    ),
    Reason.bad_settings: Wording(400, "Invalid settings in the prompt.", "invalid_value"),
    Reason.bad_type: Wording(400, "Invalid type for '{name}': expected {expected}.", "invalid_type"),
    Reason.bad_count: Wording(400, "Invalid '{name}': expected {expected}, but got {value}.", "invalid_value"),
    Reason.bad_size: Wording(400, "Invalid value: '{value}'. This size is not supported.", "invalid_value"),
    Reason.bad_choice: Wording(400, "Invalid value: '{value}'. Supported values are: {expected}.", "invalid_value"),
    Reason.stream_of_many: Wording(400, "Streaming is only supported with n=1.", "invalid_value"),
    Reason.no_image: Wording(400, "Missing required parameter: 'image'.", "missing_required_parameter"),
    Reason.no_mask: Wording(400, "Missing required parameter: 'mask'.", "missing_required_parameter"),
    Reason.bad_image: Wording(400, "Invalid image file or mode for '{name}'.", "invalid_image_file"),
    Reason.untyped_file: Wording(
        400,
        "Invalid file '{name}': unsupported mimetype ('{value}'). "
        "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.",
        "unsupported_file_mimetype",
    ),
    Reason.repeated_file: Wording(
        400, "Duplicate parameter: '{name}'. For several values, use '{name}[]' instead.", "duplicate_parameter"
    ),
    Reason.many_images: Wording(400, "Invalid '{name}': expected at most {expected} images.", "array_above_max_length"),
    Reason.moderated: Wording(
        400,
        "Your request was rejected by the safety system.",
        "moderation_blocked",
        "image_generation_user_error",
    ),
    Reason.rate_limited: Wording(
        429,
        "Rate limit reached for {name} (for limit gpt-image) in organization org-simulator on input-images per min: "
        "Limit 5, Used 5, Requested 1. Please try again in {value}s.",
        "rate_limit_exceeded",
        "input-images",
    ),
    Reason.no_credit: Wording(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    Reason.unverified: Wording(403, "Your organization must be verified to use the model `{name}`."),
    Reason.blocked: Wording(
        403, "Access to this account was blocked: its use is against the content policy.", "Forbidden", None
    ),
    Reason.wrong_country: Wording(
        403,
        "Country, region, or territory not supported",
        "unsupported_country_region_territory",
        "request_forbidden",
    ),
    Reason.failed: Wording(500, "The server had an error.", "server_error", "server_error"),
}
