//! Figures in black on white that follow the reader's light or dark setting.

/// Rules for a figure in black on white. Presentation attributes give way to them where the reader prefers the dark.
const STYLE: &str = "<style>@media(prefers-color-scheme:dark){svg rect[fill=\"#FFFFFF\"]{fill:#161616}svg text{fill:#dddddd}\
svg [stroke=\"#000000\"]{stroke:#bbbbbb}svg [fill=\"#000000\"]:not(text){fill:#bbbbbb}}</style>";

/// An SVG figure in black on white, with rules that turn it over in the dark.
pub fn themed(svg: &str) -> String {
    let inside = svg.find("<svg").and_then(|start| svg[start..].find('>').map(|end| start + end + 1));
    match inside {
        Some(at) => format!("{}{STYLE}{}", &svg[..at], &svg[at..]),
        None => svg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_stand_inside_the_figure() {
        let themed = themed("<svg width=\"1\"><rect/></svg>");
        assert!(themed.starts_with("<svg width=\"1\"><style>") && themed.ends_with("</style><rect/></svg>"));
    }
}
