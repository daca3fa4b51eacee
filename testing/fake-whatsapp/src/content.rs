//! What a phone says: a text, or media with its caption. The media itself stays out: nobody here fetches it.
use buffa::MessageField;
use serde::Deserialize;
use waproto::whatsapp as wa;
use waproto::whatsapp::message::{DocumentMessage, FutureProofMessage, ImageMessage, VideoMessage};

/// What a caption is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    Image,
    Video,
    Document,
}

/// A message as today's phones make it. `text` is the caption of `media`, which has none where it is empty.
pub(crate) fn message(media: Option<Media>, text: &str) -> wa::Message {
    let caption = (!text.is_empty()).then(|| text.to_owned());
    let mut message = wa::Message::default();
    match media {
        None => message.conversation = Some(text.to_owned()),
        Some(Media::Image) => {
            message.image_message = MessageField::some(ImageMessage { caption, ..Default::default() });
        }
        Some(Media::Video) => {
            message.video_message = MessageField::some(VideoMessage { caption, ..Default::default() });
        }
        Some(Media::Document) => {
            let is_captioned = caption.is_some();
            message.document_message = MessageField::some(DocumentMessage { caption, ..Default::default() });
            if is_captioned {
                let inner = FutureProofMessage { message: MessageField::some(message), ..Default::default() };
                message =
                    wa::Message { document_with_caption_message: MessageField::some(inner), ..Default::default() };
            }
        }
    }
    message
}

/// The `mediatype` that goes with a message; none of a text.
pub(crate) fn media_type(message: &wa::Message) -> Option<&'static str> {
    if let Some(sent) = message.device_sent_message.as_option() {
        return media_type(sent.message.as_option()?);
    }
    match () {
        () if message.image_message.is_set() => Some("image"),
        () if message.video_message.is_set() => Some("video"),
        () if message.document_message.is_set() || message.document_with_caption_message.is_set() => Some("document"),
        () => None,
    }
}
