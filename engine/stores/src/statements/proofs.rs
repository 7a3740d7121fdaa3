use super::{Read, Result, Write, sql};
use crate::shared::{CandidateRow, candidate, from_json, json, limit, refusal};
use stageway_core::digest::Digest;
use stageway_core::name::{PipelineName, RunId, StageName};
use stageway_ports::{Candidate, NewProof};

impl Write {
    /// Writes a proof, unless it stands already.
    pub(crate) async fn insert_proof(&mut self, run: &RunId, pipeline: &str, proof: &NewProof) -> Result<()> {
        let done = sql::query(
            "INSERT INTO proof (tenant, run, stage, attempt, pipeline, key, trust, compared)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, run, stage, attempt) DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(proof.stage.as_str())
        .bind(i64::from(proof.attempt))
        .bind(pipeline)
        .bind(proof.key.to_string())
        .bind(i64::from(proof.trust))
        .bind(json(&proof.compared)?)
        .execute(&mut *self.sql)
        .await?;
        if done.rows_affected() == 0 && !self.is_same_proof(run, proof).await? {
            return Err(refusal::another_proof(proof).into());
        }
        Ok(())
    }

    async fn is_same_proof(&mut self, run: &RunId, proof: &NewProof) -> Result<bool> {
        let (key, trust, compared): (String, i64, String) = sql::query_as(
            "SELECT key, trust, compared FROM proof WHERE tenant = $1 AND run = $2 AND stage = $3 AND attempt = $4",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(proof.stage.as_str())
        .bind(i64::from(proof.attempt))
        .fetch_one(&mut *self.sql)
        .await?;
        let compared: serde_json::Value = from_json("a proof", &compared)?;
        Ok(key == proof.key.to_string() && trust == i64::from(proof.trust) && compared == proof.compared)
    }
}

impl Read {
    pub(crate) async fn candidates(&mut self, key: &Digest, trust: u8, max: u32) -> Result<Vec<Candidate>> {
        let found: Vec<CandidateRow> = sql::query_as(
            "SELECT run, stage, attempt, compared FROM proof WHERE tenant = $1 AND key = $2 AND trust >= $3
             ORDER BY number DESC LIMIT $4",
        )
        .bind(self.tenant.as_str())
        .bind(key.to_string())
        .bind(i64::from(trust))
        .bind(limit(max))
        .fetch_all(&mut *self.sql)
        .await?;
        found.into_iter().map(|row| Ok(candidate(row)?)).collect()
    }

    pub(crate) async fn newest_proof(
        &mut self,
        pipeline: &PipelineName,
        stage: &StageName,
    ) -> Result<Option<Candidate>> {
        let found: Option<CandidateRow> = sql::query_as(
            "SELECT run, stage, attempt, compared FROM proof WHERE tenant = $1 AND pipeline = $2 AND stage = $3
             ORDER BY number DESC LIMIT 1",
        )
        .bind(self.tenant.as_str())
        .bind(pipeline.as_str())
        .bind(stage.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        Ok(found.map(candidate).transpose()?)
    }
}
